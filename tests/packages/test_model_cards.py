"""Model cards of photism-tiny: metadata that the hub reads, with the measured values, and limits before all else."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

TINY = Path(__file__).parents[2] / "packages/photism-tiny/src/photism_tiny"
CARDS = ("", "language", "sound")


def card_of(folder):
    return ModelCard.load(TINY / folder / "README.md")


def measured(folder):
    return json.loads((TINY / folder / "evaluation.json").read_text(encoding="utf8"))


def results(folder):
    """Return the values of a card's model-index, in its order."""
    return [each.metric_value for each in card_of(folder).data.eval_results]


@pytest.mark.parametrize("folder", CARDS)
def test_the_metadata_are_those_that_the_hub_reads(folder):
    data = card_of(folder).data
    assert data.license == "gpl-2.0"
    assert data.library_name == "photism"
    assert data.pipeline_tag in ("text-to-image", "audio-classification", "text-to-audio")
    assert {each.metric_type for each in data.eval_results} == set(data.metrics)
    assert len({(each.unique_identifier, each.metric_name) for each in data.eval_results}) == len(data.eval_results)


@pytest.mark.parametrize("folder", CARDS)
def test_limits_come_first(folder):
    headings = [line for line in card_of(folder).text.splitlines() if line.startswith("## ")]
    assert headings[0] == "## Limits"


def test_the_results_of_tiny_are_the_measured_ones():
    values = measured("")
    groups = [values["hear"][f"speakers {seen} in training"] for seen in ("seen", "not seen")]
    expected = [group[name] for group in groups for name in ("R@1", "R@5", "R@10")]
    expected += [value for name, value in values["draw"].items() if name != "recordings"]
    assert results("") == [round(100 * value, 1) for value in expected]


def test_the_table_of_tiny_has_the_measured_values():
    text = card_of("").text
    for name, row in measured("")["hear"].items():
        cells = " | ".join(f"{100 * row[key]:.1f} %" for key in ("R@1", "R@5", "R@10"))
        assert f"| {name} | {row['recordings']} | {cells} |" in text


def test_the_results_of_the_classifier_are_the_measured_ones():
    values = [row["accuracy"] for name, row in measured("language").items() if name != "Asterisk, it"]
    assert results("language") == [round(100 * value, 1) for value in values]
    for value in values:
        assert f" {100 * value:.1f} % |" in card_of("language").text


def test_the_results_of_the_sound_model_are_the_measured_ones():
    values = [row for name, row in measured("sound").items() if name.startswith("generated from")]
    assert results("sound") == [round(100 * row[key], 1) for row in values for key in ("R@1", "R@5")]
