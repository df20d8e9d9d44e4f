"""The public names of the package, and that importing it has no side effects."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import photism

OWN = [
    "AudioClassifier",
    "AudioEmbedder",
    "AudioLDM2Pipeline",
    "AudioPromptEncoder",
    "AudioToImagePipeline",
    "CaptionRanker",
    "InputError",
    "PromptSpace",
    "SpeakerTimeline",
    "SpeakerVerifier",
    "Transcriber",
    "Waveform",
    "load_waveform",
    "log_mel",
    "pipeline",
]
OF_TRANSFORMERS = [
    "AutoConfig",
    "AutoFeatureExtractor",
    "AutoModel",
    "AutoModelForAudioClassification",
    "AutoModelForAudioFrameClassification",
    "AutoModelForAudioXVector",
    "AutoModelForCTC",
    "AutoProcessor",
    "SeamlessM4TFeatureExtractor",
    "AudioClassificationPipeline",
    "AutomaticSpeechRecognitionPipeline",
    "TextToAudioPipeline",
    "Wav2Vec2BertConfig",
    "Wav2Vec2BertFeatureExtractor",
    "Wav2Vec2BertForAudioFrameClassification",
    "Wav2Vec2BertForCTC",
    "Wav2Vec2BertForSequenceClassification",
    "Wav2Vec2BertForXVector",
    "Wav2Vec2BertModel",
    "Wav2Vec2BertProcessor",
    "ZeroShotAudioClassificationPipeline",
]
OF_DIFFUSERS = ["AudioLDM2ProjectionModel", "AudioLDM2UNet2DConditionModel", "AudioPipelineOutput"]


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_public_names_of_our_own_are_at_most_15():
    assert photism.__all__ == OWN
    assert len(OWN) <= 15


def test_dir_lists_the_names_of_the_peers_as_well():
    assert dir(photism) == sorted(OWN + OF_TRANSFORMERS + OF_DIFFUSERS)


@pytest.mark.parametrize("name", OWN + OF_TRANSFORMERS + OF_DIFFUSERS)
def test_a_public_name_is_imported_from_its_module(name: str):
    other_names = {"Wav2Vec2BertFeatureExtractor": "SeamlessM4TFeatureExtractor"}
    assert getattr(photism, name).__name__ == other_names.get(name, name)


def test_type_checkers_see_the_names_that_are_imported_lazily():
    tree = ast.parse(Path(photism.__file__).read_text(encoding="utf8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == photism._MODULES


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'photism' has no attribute 'Photism'"):
        photism.Photism  # noqa: B018


def test_importing_loads_no_heavy_library():
    heavy = {"av", "diffusers", "huggingface_hub", "numpy", "PIL", "soxr", "torch", "transformers"}
    loaded = run_python("import sys, photism; print(*sys.modules)").split()
    assert heavy.isdisjoint(loaded)


def test_importing_sets_no_environment_variable_and_opens_no_file_or_connection():
    events = run_python(
        "import os, sys\n"
        "events = []\n"
        "watched = ('os.putenv', 'os.unsetenv', 'socket.')\n"
        "def watch(event, arguments):\n"
        "    code = event == 'open' and str(arguments[0]).endswith(('.py', '.pyc'))\n"
        "    if event.startswith(watched) or (event == 'open' and not code):\n"
        "        events.append((event, *arguments))\n"
        "sys.addaudithook(watch)\n"
        "before = dict(os.environ)\n"
        "import photism\n"
        "assert dict(os.environ) == before\n"
        "print(*events)"
    )
    assert events == ""
