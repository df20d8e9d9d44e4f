"""`photism align` as users run it, in its own processes."""

import json
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

from photism import AudioToImagePipeline, CaptionRanker
from tests.support.parameters import mostly_slow
from tests.support.tiny_audio2img import make_audio2img
from tests.support.tiny_checkpoint import make_sd


def log_of(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def assert_same_result(one, other, tolerance):
    first, second = (load_file(output / "model.safetensors") for output in (one, other))
    torch.testing.assert_close(first, second, atol=tolerance, rtol=tolerance)
    for left, right in zip(log_of(one), log_of(other), strict=True):
        assert left == pytest.approx(right, rel=1e-4, abs=tolerance)


@pytest.fixture(scope="module")
def aligned(align, tmp_path_factory):
    output = tmp_path_factory.mktemp("aligned") / "model"
    done = align(output)
    assert done.returncode == 0, done.stderr
    return output, done


def test_from_recordings_to_a_model_that_draws_and_ranks_captions(aligned, captioned, models):
    output, done = aligned
    assert done.stdout.strip() == str(output)
    assert "train: 15 clips" in done.stderr
    assert "validation: 3 clips" in done.stderr
    assert "a batch of 6 has" in done.stderr
    assert "step 6: R@1" in done.stderr
    assert [row["step"] for row in log_of(output)] == [1, 2, 3, 4, 5, 6]  # 3 epochs of 2 batches of 15 sounds
    measures = [json.loads(line) for line in (output / "measures.jsonl").read_text().splitlines()]
    assert [row["step"] for row in measures] == [0, 3, 6]
    assert {"audio to text: R@5", "text to audio: median rank", "Euclidean distance"} <= set(measures[0])
    card = (output / "README.md").read_text()
    for text in ("15 clips", "audio to text: R@1", "curve.png", "| batch_size | 6 |", "library_name: photism"):
        assert text in card
    assert (output / "curve.png").stat().st_size > 1000
    assert set(json.loads((output / "report.json").read_text())) == {
        "sounds",
        "cut_captions",
        "batch_size",
        "negatives",
        "notes",
    }
    assert (output / "worst.jsonl").is_file()
    assert json.loads((output / "versions.json").read_text())["torch"] == torch.__version__
    assert list((output / "tensorboard").iterdir())
    assert len(list((output / "checkpoints").iterdir())) == 1

    pipeline = AudioToImagePipeline.from_pretrained(output, diffusion=models / "sd" / "diffusion", device="cpu")
    assert pipeline(captioned / "0.wav", num_inference_steps=1).images[0][0].size == (16, 16)
    ranker = CaptionRanker.from_pretrained(output, diffusion=models / "sd" / "diffusion", device="cpu")
    assert len(ranker.rank([captioned / "0.wav"], top_k=6)[0]) == 6


def test_the_settings_file_repeats_the_training(aligned, align_here, tmp_path):
    output, _ = aligned
    again = tmp_path / "again"
    assert not align_here(again, "--config", str(output / "align.yaml"))
    assert_same_result(output, again, tolerance=0)


def test_a_relative_diffusion_model_is_found_from_another_folder(align_here, captioned, models, tmp_path, monkeypatch):
    monkeypatch.chdir(models / "sd")
    assert not align_here(tmp_path / "model", diffusion="diffusion", epochs="1")
    assert "diffusion: diffusion\n" in (tmp_path / "model" / "align.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    pipeline = AudioToImagePipeline.from_pretrained("model", device="cpu")
    assert pipeline(captioned / "0.wav", num_inference_steps=1).images[0][0].size == (16, 16)


def test_an_audio2img_checkpoint_is_continued(align_here, captioned, tmp_path, capsys):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make_sd(tmp_path / "text", length=77).save_pretrained(tmp_path / "sd")
    checkpoint, output = make_audio2img(tmp_path / "checkpoint"), tmp_path / "model"
    changed = {"encoder": str(checkpoint), "diffusion": str(tmp_path / "sd"), "adapter": "conv", "tokens": "47"}
    assert not align_here(output, epochs="1", **changed)
    assert f"the training continues the encoder and the adapter of {checkpoint}" in capsys.readouterr().err
    pipeline = AudioToImagePipeline.from_pretrained(output, device="cpu")
    assert (pipeline.encoder.config.tokens, pipeline.encoder.config.input_tokens) == (47, 188)
    assert pipeline(captioned / "0.wav", num_inference_steps=1).images[0][0].size == (16, 16)


def test_captions_are_truncated_to_their_length(align_here, captioned, models, tmp_path, capsys):
    output = tmp_path / "model"
    assert not align_here(output, caption_length="6", epochs="1")
    assert "the tokenizer truncates 5 captions" in capsys.readouterr().err  # of BOS, letters and EOS
    pipeline = AudioToImagePipeline.from_pretrained(output, device="cpu")
    assert pipeline.encoder.prompt_length == 5
    assert pipeline(captioned / "0.wav", num_inference_steps=1).images[0][0].size == (16, 16)


def wait_for_steps(process, output, steps):
    """Wait until so many steps are in the log of a training that is far from its end."""
    while process.poll() is None:
        log = output / "log.jsonl"
        if log.is_file() and log.read_text().count("\n") >= steps:
            return
        time.sleep(0.01)
    raise AssertionError(f"it ended with {process.poll()} before step {steps}")


@pytest.mark.slow
def test_a_kill_at_any_moment_does_not_change_the_weights(start_align, align, tmp_path):
    whole, output = tmp_path / "whole", tmp_path / "killed"
    assert align(whole, epochs="30").returncode == 0
    for steps in (2, 20):
        process = start_align(output, *["--resume"] * output.exists(), epochs="30", checkpoint_every_s="0")
        wait_for_steps(process, output, steps)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (output / "model.safetensors").exists()
    done = align(output, "--resume", epochs="30", checkpoint_every_s="0")
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in log_of(output)] == list(range(1, 61))
    assert log_of(output) == log_of(whole)
    assert_same_result(output, whole, tolerance=0)


def test_an_interrupted_training_saves_and_resumes(start_align, align_here, tmp_path, capsys):
    output = tmp_path / "stopped"
    process = start_align(output, epochs="1000")
    wait_for_steps(process, output, 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    (checkpoint,) = (output / "checkpoints").iterdir()
    assert int(checkpoint.name.removeprefix("step-")) == len(log_of(output))
    assert align_here(output, epochs="1000") == 2
    assert "holds an unfinished training; resume it" in capsys.readouterr().err
    assert align_here(output, "--resume", seed="5") == 2
    assert "these differ: epochs: 1000.0, 3.0; seed: 0, 5" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--fsdp"]])
def test_two_processes_are_equal_to_one(aligned, align, tmp_path, more):
    output, _ = aligned
    both = tmp_path / "both"
    done = align(both, *more, "--cpu", processes=2)
    assert done.returncode == 0, done.stderr
    assert_same_result(output, both, tolerance=1e-4)


@pytest.mark.parametrize(
    "changed",
    mostly_slow(
        [
            {"lora_rank": "2"},
            {"frozen_layers": "1", "layer_decay": "0.5"},
            {"frozen_layers": "-1", "adapter": "conv", "ema_decay": "0"},
            {"precision": "bf16", "padding_weight": "0.25"},
        ],
        {"lora_rank": "2"},
    ),
)
def test_other_trained_parameters(align_here, tmp_path, changed, bare_encoder):
    output = tmp_path / "model"
    assert not align_here(output, "--gradient-checkpointing", epochs="1", **changed)
    assert all(row["loss"] > 0 for row in log_of(output))
    found, before = load_file(output / "model.safetensors"), load_file(bare_encoder / "model.safetensors")
    moved = {name for name, tensor in before.items() if not torch.equal(found[f"encoder.{name}"], tensor)}
    linear = "encoder.layers.1.self_attn.linear_q.weight"
    if changed.get("frozen_layers") == "-1":
        assert not moved
    elif "lora_rank" in changed:
        assert linear in moved
        assert all(".weight" in name for name in moved)
        assert not any("lora" in name for name in found)
    elif "frozen_layers" in changed:
        assert linear in moved
        assert all("layers.1." in name for name in moved)


def test_xl_learns_the_pooled_embedding_and_generates_sample_images(align_here, tmp_path, models):
    output = tmp_path / "xl"
    diffusion = str(models / "xl" / "diffusion")
    assert not align_here(output, diffusion=diffusion, pictures="2", picture_steps="1", chunk_s="1", epochs="1")
    assert {"pooled contrastive", "pooled regression"} <= set(log_of(output)[0])
    before, after = (load_file(folder / "model.safetensors") for folder in (models / "xl", output))
    assert before["pooled_projection.weight"].shape[0] == after["pooled_projection.weight"].shape[0]
    events = next((output / "tensorboard").iterdir()).read_bytes()
    assert b"pictures/0 a koala" in events
    assert b"similarity" in events


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": "16"}, "--batch-size must be at most the 15 training clips"),
        (
            {"encoder": "no/such-encoder"},
            "encoder no/such-encoder: ",
        ),
        ({"diffusion": "no/such-diffusion"}, "diffusion no/such-diffusion: "),
        ({"data": "no/such-data"}, "data no/such-data is no folder and cannot be loaded as a data set: "),
        ({"precision": "fp16"}, "--precision must be bf16 or fp32 on a CPU; got fp16"),
        ({"caption_length": "30"}, "--caption-length must be at most the text encoder's 20 tokens; got 30"),
        ({"frozen_layers": "3"}, "--frozen-layers must be at most the encoder's 2 layers; got 3"),
    ],
)
def test_mistakes_are_one_line(align_here, tmp_path, changed, message, capsys):
    assert align_here(tmp_path / "model", **changed) == 2
    printed = capsys.readouterr().err
    assert printed.splitlines()[-1].startswith("photism: ")
    assert message in printed
    assert not (tmp_path / "model" / "config.json").exists()
