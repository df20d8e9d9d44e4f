"""A model that computes NaN gives an error that names the output, in every command's class, and never an answer."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from photism import (
    AudioClassifier,
    AudioLDM2Pipeline,
    AudioToImagePipeline,
    CaptionRanker,
    InputError,
    SpeakerTimeline,
    SpeakerVerifier,
    Transcriber,
    Waveform,
    pipeline,
)
from photism.errors import NotFiniteError
from tests.support.classifiers import make_classifier
from tests.support.speaker_models import make_speaker_model

NOISE = Waveform(0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32))
NAN = float("nan")


def spoil(module: torch.nn.Module, value: float = NAN) -> None:
    """Make the last parameter of a module NaN, or the value."""
    with torch.no_grad():
        list(module.parameters())[-1].fill_(value)


def refused(name, call):
    with pytest.raises(NotFiniteError, match=rf"^the {name} are not finite; the weights are damaged or too large"):
        call()


@pytest.mark.parametrize("name", ["bert", "xlsr", "whisper"])
def test_label(tmp_path, name):
    classifier = AudioClassifier.from_pretrained(make_classifier(tmp_path, name), device="cpu")
    spoil(classifier.model.classifier)
    refused("logits", lambda: classifier(NOISE))
    spoil(classifier.model.classifier, float("inf"))  # a sigmoid would make it 1
    refused("logits", lambda: classifier(NOISE, function_to_apply="sigmoid"))
    refused(
        "logits",
        lambda: pipeline("audio-classification", classifier.model, feature_extractor=classifier.extractor)(NOISE),
    )


@pytest.mark.parametrize("name", ["w2v-bert", "xlsr"])
def test_transcribe(ctc_checkpoints, name):
    transcriber = Transcriber.from_pretrained(ctc_checkpoints / name, device="cpu")
    spoil(transcriber.acoustic_model.model.lm_head)
    refused("logits", lambda: transcriber(NOISE))
    refused("logits", lambda: transcriber(NOISE, window_s=0.5))
    stream = transcriber.stream()
    refused("logits", lambda: (stream.feed(np.tile(NOISE.samples, 40)), stream.finish()))


def test_speakers(tmp_path):
    timeline = SpeakerTimeline.from_pretrained(
        make_speaker_model(tmp_path / "f", "AudioFrameClassification"), device="cpu"
    )
    spoil(timeline.model.classifier)
    refused("logits", lambda: timeline(NOISE))
    verifier = SpeakerVerifier.from_pretrained(make_speaker_model(tmp_path / "x", "XVector"), device="cpu")
    for value in (NAN, 1e30):  # the norm of the latter overflows, and the embedding would be 0
        spoil(verifier.model.feature_extractor, value)
        refused("embeddings", lambda: verifier.embed(NOISE))


def test_hear_and_draw(models):
    drawing = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    calls = {"decoded images": drawing.diffusion.vae.decoder, "text embeddings": drawing.diffusion.text_encoder}
    images = drawing(NOISE, num_inference_steps=1)
    for name, part in calls.items():
        before = [parameter.clone() for parameter in part.parameters()]
        spoil(part)
        call = drawing if name == "decoded images" else CaptionRanker(drawing.encoder, drawing.diffusion, ["rain"]).rank
        refused(name, lambda call=call: call(NOISE) if call is not drawing else call(NOISE, num_inference_steps=1))
        with torch.no_grad():
            for parameter, value in zip(part.parameters(), before, strict=True):
                parameter.copy_(value)
    again = drawing(NOISE, num_inference_steps=1)
    assert again.images[0][0].tobytes() == images.images[0][0].tobytes()
    spoil(drawing.encoder.adapter)
    refused("prompt_embeds", lambda: drawing(NOISE, num_inference_steps=1))
    refused("prompt_embeds", lambda: CaptionRanker(drawing.encoder, drawing.diffusion, ["rain"]).rank(NOISE))


def test_a_vae_that_overflows_in_float16_draws_no_black_picture(models, tmp_path):
    shutil.copytree(models / "sd", tmp_path / "sd")
    path = tmp_path / "sd/diffusion/vae/diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["decoder.conv_in.weight"] *= 1e6
    save_file(weights, path, {"format": "pt"})
    AudioToImagePipeline.from_pretrained(tmp_path / "sd", device="cpu")(NOISE, num_inference_steps=1)
    message = r"vae of diffusion .* is damaged: decoder\.conv_in\.weight overflows in float16; load it in float32 or"
    with pytest.raises(InputError, match=message):
        AudioToImagePipeline.from_pretrained(tmp_path / "sd", device="cpu", dtype="float16")
    drawing = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", dtype="float16")
    with torch.no_grad():  # the weights fit, what is computed from them does not: it is decoded in float32
        drawing.diffusion.vae.decoder.conv_out.weight.fill_(60_000)
    assert np.asarray(drawing(NOISE, num_inference_steps=1).images[0][0]).any()


def test_sound(sound_models):
    generator = AudioLDM2Pipeline.from_pretrained(sound_models / "sound", device="cpu")
    settings = {"num_inference_steps": 1, "audio_length_in_s": 0.32, "seed": 0}
    generator("rain", **settings)
    for name, part in (
        ("waveforms", generator.vocoder),
        ("mel spectrograms", generator.vae.decoder),
        ("latents", generator.unet),
        ("text embeddings", generator.text_encoder_2),
        ("CLAP embeddings", generator.text_encoder.text_projection),
    ):
        spoil(part)
        refused(name, lambda: generator("rain", **settings))


LOUD = Waveform(np.full(8_000, 2.0**31, np.float32) * np.sign(NOISE.samples[:8_000]))
"""A recording whose samples overflow where features are not normalised."""


def answers_to_two(stream):
    """Return the numbers of the recordings with an answer, and of those with an error, of which the middle one is."""
    errors = []
    answers = list(stream([NOISE, LOUD, Waveform(NOISE.samples[:8_000])], on_error=lambda *each: errors.append(each)))
    assert [number for number, _ in errors] == [1]
    assert "are not finite; the weights are damaged or too large" in str(errors[0][1])
    return answers


@pytest.fixture
def overflows(monkeypatch):
    """Let the log-mel features of `LOUD` be NaN, as those of a model's front end may be."""
    from photism.audio import log_mel

    samples = log_mel._samples

    def spoiled(waveform, index):
        found = samples(waveform, index)
        return found * NAN if float(found.max()) > 1e9 else found

    monkeypatch.setattr(log_mel, "_samples", spoiled)


def test_one_recording_of_a_batch_does_not_spoil_the_others(overflows, models, ctc_checkpoints, tmp_path):
    classifier = AudioClassifier.from_pretrained(make_classifier(tmp_path / "c", "bert"), device="cpu")
    for window_s in (None, 0.25):
        labels = answers_to_two(lambda *args, w=window_s, **kwargs: classifier.stream(*args, window_s=w, **kwargs))
        assert [each.number for each in labels] == [0, 2]
        assert all(np.isfinite(score["score"]) for each in labels for window in each.windows for score in window.scores)
    ranker = CaptionRanker.from_pretrained(models / "sd", device="cpu")
    assert [each.number for each in answers_to_two(ranker.stream)] == [0, 2]
    transcriber = Transcriber.from_pretrained(ctc_checkpoints / "w2v-bert", device="cpu")
    assert [number for number, _ in answers_to_two(transcriber.transcribe)] == [0, 2]
    timeline = SpeakerTimeline.from_pretrained(
        make_speaker_model(tmp_path / "f", "AudioFrameClassification"), device="cpu"
    )
    assert [each.number for each in answers_to_two(timeline.stream)] == [0, 2]
    verifier = SpeakerVerifier.from_pretrained(make_speaker_model(tmp_path / "x", "XVector"), device="cpu")
    found = dict(answers_to_two(verifier.stream))
    assert found.keys() == {0, 2}
    assert np.array_equal(found[0], verifier.embed(NOISE))
    with pytest.raises(NotFiniteError):
        list(classifier.stream([NOISE, LOUD]))
