import shutil

import pytest
import torch

from photism.manifest.columns import Columns
from photism.prompts.diffusion.loading import load_diffusion
from photism.training.data.example import Example
from photism.training.data.feature_cache import PreparationSettings, prepare_dataset
from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.report import report_dataset
from photism.training.data.sampler import EpochSampler
from photism.training.data.text_embeddings import prepare_text_embeddings
from photism.training.result import Preflight
from photism.training.settings import AlignSettings
from photism.training.tasks.align import AlignTask

LONG = "a caption of far more letters than this tokenizer takes"


@pytest.fixture(scope="module")
def report(captioned, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    shutil.copy(captioned / "1.wav", folder / "copy.wav")
    examples = [
        Example("1", captioned / "1.wav", ("rain",), "train", group="someone"),
        Example("2", captioned / "2.wav", (LONG, "wind"), "train"),
        Example("17", captioned / "17.wav", ("rain",), "train"),
        Example("copy", folder / "copy.wav", ("rain",), "validation", group="someone"),
        Example("gone", folder / "gone.wav", ("rain",), "train"),
    ]
    preparation = PreparationSettings(features=FeatureSettings(), max_unreadable=0.5)
    dataset = prepare_dataset(examples, folder / "dataset", preparation)
    source = models / "sd" / "diffusion"
    pipeline = load_diffusion(source, device=torch.device("cpu"), dtype=torch.float32, text_only=True)
    text = prepare_text_embeddings(["rain", LONG, "wind"], pipeline, folder, name="test")
    task = AlignTask(AlignSettings(data="-", output="-", batch_size=3), dataset, text, torch.device("cpu"))
    sampler = EpochSampler(dataset, task.target_ids, batch_size=3, max_tokens=50, seed=0)
    return Preflight(report_dataset(dataset, target_noun="captions", max_duration_s=1.0), task.report(sampler))


def test_values(report):
    dataset, train = report.dataset, report.dataset.train
    assert (train.clips, train.texts) == (3, 3)
    assert train.hours == pytest.approx((0.55 + 0.6 + 1.35) / 3600)
    assert (train.shortest_s, train.median_s, train.longest_s) == pytest.approx((0.55, 0.6, 1.35))
    assert dataset.validation.clips == 1
    assert report.task.values["cut_captions"] == [LONG]
    assert report.task.values["batch_size"] == 3
    assert 0 <= report.task.values["negatives"] <= 2
    assert dataset.repeated_sounds == 1
    assert dataset.leaked_sounds == ["1"]
    assert dataset.leaked_groups == ["someone"]
    assert dataset.cropped == 1
    assert [name for name, _ in dataset.unreadable] == ["gone"]


def test_lines(report):
    text = "\n".join(report.lines())
    for line in (
        "train: 3 clips, 0.00 h, 0.6 to 1.4 s (median 0.6), 3 distinct captions",
        f"a batch of 3 has {report.task.values['negatives']:.1f} distinct negatives",
        "1 clips are longer than max_duration_s and are cropped",
        "1 clips are in both splits: 1",
        "1 speakers are in both splits: someone",
        "the tokenizer truncates 1 captions: a caption of",
        "skipped 1 unreadable recordings:\n  gone: ",
    ):
        assert line in text, text


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            [Columns(("labels",), ("description",))] * 2,
            "captions are read from column labels, and not from description",
        ),
        (
            [Columns(("labels",), ("text",)), Columns(("text",), ("description",))],
            "captions are read from columns labels (1 clips) and text (1 clips), and not from description or text",
        ),
        ([Columns(("c1", "c2"))] * 2, "captions are read from columns c1 (2 clips) and c2 (2 clips)"),
        ([Columns()] * 2, None),
    ],
)
def test_the_columns_that_captions_are_read_from(captioned, tmp_path, columns, line):
    examples = [
        Example(str(number), captioned / f"{number}.wav", ("rain",), "train", columns=each)
        for number, each in enumerate(columns)
    ]
    dataset = prepare_dataset(examples, tmp_path, PreparationSettings(features=FeatureSettings()))
    report = report_dataset(dataset, target_noun="captions", max_duration_s=30.0)
    assert report.column_lines() == ([line] if line else [])
    assert report.problem_lines()[-1].startswith("no clips for validation: there will be no metrics")
