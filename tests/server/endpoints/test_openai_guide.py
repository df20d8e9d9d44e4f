"""The guide to OpenAI's clients: its code runs against a server, and its file of models can be read."""

import re
import shutil
from pathlib import Path

import pytest

import photism
from photism.audio.waveform import load_waveform
from photism.hub import bundled_model
from photism.server.engine.model_list import read_entries
from photism.server.settings import ModelsSettings

GUIDE = (Path(photism.__file__).parents[2] / "docs" / "guides" / "openai-clients.md").read_text(encoding="utf8")


def code_block(language: str) -> str:
    """Return the code block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return found


@pytest.mark.slow
def test_the_code_of_the_guide_runs(server_url, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(bundled_model() / "examples" / "elephant.en.ogg", "interview.mp3")
    code = code_block("python")
    assert "http://127.0.0.1:7860/v1" in code
    exec(code.replace("http://127.0.0.1:7860", server_url), {})
    models, *words = capsys.readouterr().out.splitlines()
    assert "'letters'" in models
    assert re.fullmatch(r"[\d.]+ [\d.]+ [A-Z']+ [\d.]+", words[0])
    assert load_waveform("speech.mp3").duration_s == pytest.approx(1.28, abs=0.15)


def test_the_models_of_the_guide_can_be_read(ctc_checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("facebook").mkdir()
    for name in ("wav2vec2-base-960h", "mms-1b-all"):
        Path("facebook", name).symlink_to(ctc_checkpoints / "wav2vec2")
    Path("models.yaml").write_text(code_block("yaml"))
    found = {entry.name: entry for entry in read_entries(ModelsSettings(models=Path("models.yaml")))}
    assert {name: entry.kind for name, entry in found.items()} == {
        "letters": "recognizer",
        "french": "recognizer",
        "night": "drawing",
    }
    assert (found["letters"].settings.dtype, found["french"].settings.language) == ("bfloat16", "fra")
    assert found["night"].settings.loras == (("ink.safetensors", 0.7),)
