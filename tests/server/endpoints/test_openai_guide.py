"""The guide to OpenAI's clients: its code runs against a server."""

import re
import shutil
from pathlib import Path

import pytest

import photism
from photism.audio.waveform import load_waveform
from photism.hub import bundled_model

GUIDE = (Path(photism.__file__).parents[2] / "docs" / "guides" / "openai-clients.md").read_text(encoding="utf8")


@pytest.mark.slow
def test_the_code_of_the_guide_runs(server_url, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(bundled_model() / "examples" / "elephant.en.ogg", "interview.mp3")
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert "http://127.0.0.1:7860/v1" in code
    exec(code.replace("http://127.0.0.1:7860", server_url), {})
    models, *words = capsys.readouterr().out.splitlines()
    assert "'letters'" in models
    assert re.fullmatch(r"[\d.]+ [\d.]+ [A-Z']+ [\d.]+", words[0])
    assert load_waveform("speech.mp3").duration_s == pytest.approx(1.28, abs=0.15)
