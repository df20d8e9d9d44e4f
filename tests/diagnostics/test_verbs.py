"""What is missing for a verb, and the command that installs it."""

import pytest

from photism.diagnostics import verbs
from photism.diagnostics.check import Check


@pytest.mark.parametrize(
    ("missing", "remedy"), [("accelerate", "install train"), ("torch", "install nothing but the package")]
)
def test_a_verb_names_its_own_extra_for_a_library_of_several(missing, remedy, monkeypatch):
    found = {"": ("torch",), "diffusion": ("accelerate",), "train": ("accelerate", "tensorboard")}
    monkeypatch.setattr(verbs, "extras", lambda: found)
    monkeypatch.setattr(verbs, "install_command", lambda extra: f"install {extra}")
    parts = {
        "torch": Check("torch", True, "2.13", "install nothing but the package"),
        "accelerate": Check("accelerate", True, "1.10", "install diffusion"),
        "tensorboard": Check("tensorboard", True, "2.20", "install train"),
    }
    parts[missing] = Check(missing, False, "not installed", parts[missing].remedy)
    check = verbs.check_verb("align", parts)
    assert (check.works, check.found, check.remedy) == (False, f"needs {missing}", remedy)
