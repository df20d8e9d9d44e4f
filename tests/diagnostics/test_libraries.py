"""Libraries that cannot be imported, in the process that tries."""

import pytest

from photism.diagnostics import libraries
from photism.diagnostics.libraries import LibraryChecks


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Let the package need four libraries: one works, one raises, one ends the process, and one is not there."""
    (tmp_path / "fine.py").write_text("print('a greeting')")
    (tmp_path / "other_machine.py").write_text("raise ImportError('wrong\\n ELF class')")
    (tmp_path / "crashing.py").write_text("import os; os._exit(4)")
    (tmp_path / "after.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = {"": ("fine", "other-machine"), "server": ("crashing", "after", "absent")}
    monkeypatch.setattr(libraries, "extras", lambda: found)
    monkeypatch.setattr(libraries, "install_command", lambda extra: f"install {extra}")


@pytest.mark.usefixtures("broken")
def test_a_library_that_cannot_be_imported_is_found():
    found = {check.name: check for check in LibraryChecks().results()}
    assert {name for name, check in found.items() if check.works} == {"fine", "after"}
    assert found["other-machine"].found == "wrong ELF class"
    assert found["crashing"].found == "its import ended the process, with status 4"
    assert found["absent"].found == "not installed"
    assert found["absent"].remedy == found["crashing"].remedy == "install server"
    assert found["other-machine"].remedy == "install None"


def test_the_smallest_extra_is_named_for_a_library_of_several(monkeypatch):
    found = {"": ("fine",), "collection": ("absent", "away"), "listening": ("absent",)}
    monkeypatch.setattr(libraries, "extras", lambda: found)
    monkeypatch.setattr(libraries, "install_command", lambda extra: f"install {extra}")
    remedies = {check.name: check.remedy for check in LibraryChecks().results()}
    assert remedies == {"fine": "install None", "absent": "install listening", "away": "install collection"}
