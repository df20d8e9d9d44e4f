"""A training as a whole, from Python."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from photism.encoder.conformer import ConformerLayer
from photism.errors import InputError
from photism.training.settings import AlignSettings, ClassifySettings


@pytest.fixture(params=["align", "classify", "classify with LoRA"])
def settings(request, classed, captioned, few_steps, models, tmp_path):
    output = str(tmp_path / "model")
    if request.param == "align":
        diffusion = str(models / "sd" / "diffusion")
        return AlignSettings(data=str(captioned), output=output, diffusion=diffusion, tokens=4, pictures=0, **few_steps)
    lora_rank = 2 if "LoRA" in request.param else 0
    return ClassifySettings(data=str(classed), output=output, lora_rank=lora_rank, **few_steps)


def test_the_encoder_is_built_once(settings, run, monkeypatch):
    built = []
    build = ConformerLayer.__init__

    def counted(self, *given):
        built.append(torch.empty(0).device.type)  # on meta, without memory, it is compared with the checkpoint first
        build(self, *given)

    monkeypatch.setattr(ConformerLayer, "__init__", counted)
    run(settings)
    assert built.count("cpu") == 2  # of a model with two layers


def test_a_finished_output_without_checkpoints_is_not_touched(settings, run, tmp_path):
    run(settings)
    output = tmp_path / "model"
    run(settings, resume=True)  # a finished training with its checkpoints is written again
    shutil.rmtree(output / "checkpoints")
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    for changed in ({}, {"seed": 4}):
        other = type(settings)(**{**vars(settings), **changed})
        with pytest.raises(InputError, match="holds a finished model; there is no checkpoint to resume from"):
            run(other, resume=True)
        assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


def test_the_result_has_the_best_weights(settings, run, tmp_path):
    run(settings)
    best = load_file(tmp_path / "model" / "best.safetensors")
    model = load_file(tmp_path / "model" / "model.safetensors")
    same = [name for name in best if name in model]
    assert same
    assert all(torch.equal(best[name], model[name]) for name in same)


def test_saved_weights_are_readable_as_the_umask_says(settings, run, tmp_path):
    (tmp_path / "probe").touch()
    expected = (tmp_path / "probe").stat().st_mode
    run(settings)
    for name in ("model.safetensors", "best.safetensors", "config.json"):
        assert (tmp_path / "model" / name).stat().st_mode == expected, name
