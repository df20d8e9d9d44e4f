"""The choice of kernels: measured once, kept, pinned, and without an effect on results."""

import json

import pytest
import torch

from photism.encoder import kernel_choice, kernels
from photism.encoder.kernel_choice import cache_path, choose_kernels, measure_kernels, parse_kernels
from photism.encoder.kernels import TORCH, Kernels, current_kernels, use_kernels
from photism.encoder.model import Wav2Vec2BertModel
from photism.errors import InputError
from tests.encoder.reference import POSITIONS, TOLERANCE, batch, check_gradients, difference, pair, tiny_config

FOUND = Kernels(attention=TORCH, tokens_at_once=512)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Return the list of measurements, each of which finds `FOUND`, with an empty cache and models of any width."""
    calls = []
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))
    monkeypatch.delenv(kernel_choice.VARIABLE, raising=False)
    monkeypatch.setattr(kernel_choice, "SMALLEST_WIDTH", 1)
    monkeypatch.setattr(kernel_choice, "measure_kernels", lambda config: calls.append(config) or FOUND)
    yield calls
    use_kernels(Kernels())


def test_the_choice_is_measured_once_and_kept(measured, tmp_path):
    model, _ = pair("Model")
    model.save_pretrained(tmp_path / "model")
    for _ in range(2):
        Wav2Vec2BertModel.from_pretrained(tmp_path / "model")
        assert current_kernels() == FOUND
        use_kernels(Kernels())
    assert len(measured) == 1
    choose_kernels(tiny_config(num_attention_heads=2))
    assert len(measured) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"KEY": {"attention": "none"}}', '{"KEY": {"tokens_at_once": "2"}}'])
def test_an_unreadable_cache_is_measured_again(measured, content):
    choose_kernels(tiny_config())
    (key,) = json.loads(cache_path().read_text())
    cache_path().write_text(content.replace("KEY", key))
    choose_kernels(tiny_config())
    assert len(measured) == 2
    assert json.loads(cache_path().read_text())[key]["attention"] == "torch"


def test_the_choice_of_a_busy_machine_is_not_kept(measured, monkeypatch):
    monkeypatch.setattr(kernel_choice, "measure_kernels", lambda config: None)
    choose_kernels(tiny_config())
    assert current_kernels() == kernel_choice.UNDER_LOAD
    assert not cache_path().exists()


def test_a_cache_that_cannot_be_written_changes_nothing(measured, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path / "file"))
    choose_kernels(tiny_config())
    assert current_kernels() == FOUND


def test_small_models_and_pinned_kernels_are_not_measured(measured, monkeypatch):
    monkeypatch.setenv(kernel_choice.VARIABLE, "products=torch, tokens_at_once=128")
    choose_kernels(tiny_config())
    assert current_kernels() == Kernels(products=TORCH, tokens_at_once=128)
    monkeypatch.setenv(kernel_choice.VARIABLE, "default")
    choose_kernels(tiny_config())
    assert current_kernels() == Kernels()
    monkeypatch.delenv(kernel_choice.VARIABLE)
    monkeypatch.setattr(kernel_choice, "SMALLEST_WIDTH", 64)
    choose_kernels(tiny_config())
    assert not measured


@pytest.mark.parametrize("text", ["fast", "products=mkl", "tokens_at_once=0", "tokens_at_once=many", "speed=2"])
def test_kernels_that_do_not_exist_are_refused(text):
    with pytest.raises(InputError, match=f"PHOTISM_KERNELS must be default, or fields=values of .*; got {text}"):
        parse_kernels(text)


@pytest.mark.parametrize(("durations", "fastest"), [((10, 8, 7), 2), ((10, 9.8, 11), 0), ((10, 9, 9), 1)])
def test_the_fastest_is_chosen_if_it_is_clearly_faster(monkeypatch, durations, fastest):
    candidates = [Kernels(tokens_at_once=size) for size in (1, 2, 3)]
    clock = [0.0]
    monkeypatch.setattr(kernel_choice, "LONGEST_S", 1000)
    monkeypatch.setattr(kernel_choice.time, "perf_counter", lambda: clock[0])

    def compute():
        clock[0] += durations[current_kernels().tokens_at_once - 1]

    assert kernel_choice._fastest(candidates, compute) == candidates[fastest]
    monkeypatch.setattr(kernel_choice, "LONGEST_S", 1)
    assert kernel_choice._fastest(candidates, compute) is None
    use_kernels(Kernels())


def test_measuring_leaves_the_kernels_in_use(monkeypatch):
    monkeypatch.setattr(kernel_choice, "ROUNDS", 1)
    monkeypatch.setattr(kernel_choice, "ATTENTION_TOKENS", 20)
    use_kernels(FOUND)
    assert isinstance(measure_kernels(tiny_config()), Kernels)
    assert current_kernels() == FOUND
    use_kernels(Kernels())


@pytest.mark.parametrize("positions", POSITIONS)
def test_results_do_not_depend_on_the_kernels(monkeypatch, positions):
    monkeypatch.setattr("photism.encoder.attention.SHORTEST_BY_ONEDNN", 1)
    monkeypatch.setattr("photism.encoder.attention.SHORTEST_BLOCK", 5)
    monkeypatch.setattr("photism.encoder.banded_attention.BLOCK_QUERIES", 5)
    ours, reference = pair("Model", position_embeddings_type=positions)
    features, mask = batch((37, 12, 1))
    monkeypatch.setattr(kernels, "_current", [Kernels(TORCH, tokens_at_once=7, attention=TORCH, block_biases=1)])
    with torch.no_grad():
        found, wanted = (model(features, attention_mask=mask).last_hidden_state for model in (ours, reference))
    assert difference(found[mask.bool()], wanted[mask.bool()]) <= TOLERANCE[torch.float32]
    for model in (ours, reference):
        (model(features, attention_mask=mask).last_hidden_state * mask[..., None]).square().sum().backward()
    check_gradients(ours, reference)
