"""A training as a whole, from Python."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from photism.encoder.conformer import ConformerLayer
from photism.errors import InputError
from photism.training.run import train
from photism.training.settings import AlignSettings, ClassifySettings

KINDS = ("align", "classify", "classify with LoRA")


@pytest.fixture(scope="module", params=KINDS)
def settings(request, classed, captioned, few_steps, models, tmp_path_factory):
    output = str(tmp_path_factory.mktemp("run") / "model")
    if request.param == "align":
        diffusion = str(models / "sd" / "diffusion")
        return AlignSettings(data=str(captioned), output=output, diffusion=diffusion, tokens=4, pictures=0, **few_steps)
    lora_rank = 2 if "LoRA" in request.param else 0
    return ClassifySettings(data=str(classed), output=output, lora_rank=lora_rank, **few_steps)


@pytest.fixture(scope="module")
def trained(settings, cache):
    """A finished training: its output, and the device of each encoder layer that it has built."""
    built = []
    build = ConformerLayer.__init__

    def counted(self, *given):
        built.append(torch.empty(0).device.type)  # on meta, without memory, it is compared with the checkpoint first
        build(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTISM_CACHE", str(cache))
        patch.setattr(ConformerLayer, "__init__", counted)
        assert train(settings)
    return Path(settings.output), built


def test_the_encoder_is_built_once(trained):
    _, built = trained
    assert built.count("cpu") == 2  # of a model with two layers


@pytest.mark.parametrize(
    "settings",
    ["classify", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "classify")],
    indirect=True,
)
def test_a_finished_output_without_checkpoints_is_not_touched(settings, trained, run, tmp_path, capfd):
    output = shutil.copytree(trained[0], tmp_path / "model")
    copied = {**vars(settings), "output": str(output)}
    run(type(settings)(**copied), resume=True)  # a finished training with its checkpoints is written again
    assert "Writing model shards" not in capfd.readouterr().err
    shutil.rmtree(output / "checkpoints")
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    for changed in ({}, {"seed": 4}):
        other = type(settings)(**{**copied, **changed})
        with pytest.raises(InputError, match="holds a finished model; there is no checkpoint to resume from"):
            run(other, resume=True)
        assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


def test_the_result_has_the_best_weights(trained):
    output, _ = trained
    best = load_file(output / "best.safetensors")
    model = load_file(output / "model.safetensors")
    same = [name for name in best if name in model]
    assert same
    assert all(torch.equal(best[name], model[name]) for name in same)


def test_saved_weights_are_readable_as_the_umask_says(trained, tmp_path):
    (tmp_path / "probe").touch()
    expected = (tmp_path / "probe").stat().st_mode
    for name in ("model.safetensors", "best.safetensors", "config.json"):
        assert (trained[0] / name).stat().st_mode == expected, name
