import subprocess
import sys

import pytest

import photism.alignment


@pytest.mark.parametrize("name", photism.alignment.__all__)
def test_every_name_is_found(name: str) -> None:
    assert getattr(photism.alignment, name).__name__ == name


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Alignment'"):
        _ = photism.alignment.Alignment


def test_torch_waits_until_it_is_needed() -> None:
    seen = "import sys, photism.alignment; dir(photism.alignment); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
