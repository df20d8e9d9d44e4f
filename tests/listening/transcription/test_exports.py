"""What `photism.listening.transcription` gives, and when torch loads."""

import subprocess
import sys

import pytest

import photism.listening.transcription as transcription


@pytest.mark.parametrize("name", transcription.__all__)
def test_every_name_is_found(name):
    assert getattr(transcription, name).__name__ == name


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="has no attribute 'Transcribe'"):
        _ = transcription.Transcribe


def test_torch_waits_until_it_is_needed():
    seen = "import sys, photism.listening.transcription as t; dir(t); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
