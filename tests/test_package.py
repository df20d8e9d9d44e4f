"""What `import photism` gives, and what it must not do."""

import subprocess
import sys

import pytest

import photism

NAMES = [
    "AudioClassifier",
    "AudioLDM2Pipeline",
    "AudioPromptEncoder",
    "AudioToImagePipeline",
    "CaptionRanker",
    "InputError",
    "PromptSpace",
    "SpeakerTimeline",
    "SpeakerVerifier",
    "Transcriber",
    "Wav2Vec2BertConfig",
    "Wav2Vec2BertForAudioFrameClassification",
    "Wav2Vec2BertForCTC",
    "Wav2Vec2BertForSequenceClassification",
    "Wav2Vec2BertForXVector",
    "Wav2Vec2BertModel",
    "Wav2Vec2BertProcessor",
    "Waveform",
    "load_waveform",
    "log_mel",
]


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_public_names_are_these():
    assert photism.__all__ == NAMES
    assert dir(photism) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_resolves(name: str):
    assert getattr(photism, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'photism' has no attribute 'Photism'"):
        photism.Photism  # noqa: B018


@pytest.mark.parametrize("module", ["photism", "photism.cli.app"])
def test_heavy_libraries_wait_until_they_are_needed(module: str):
    heavy = {"av", "diffusers", "gradio", "huggingface_hub", "numpy", "PIL", "soxr", "torch", "transformers"}
    loaded = run_python(f"import sys, {module}; print(*sys.modules)").split()
    assert heavy.isdisjoint(loaded)


def test_importing_sets_no_environment_variable_and_opens_no_connection():
    events = run_python(
        "import os, sys\n"
        "events = []\n"
        "watched = ('os.putenv', 'os.unsetenv', 'socket.')\n"
        "sys.addaudithook(lambda event, _: events.append(event) if event.startswith(watched) else None)\n"
        "before = dict(os.environ)\n"
        "import photism\n"
        "assert dict(os.environ) == before\n"
        "print(*events)"
    )
    assert events == ""
