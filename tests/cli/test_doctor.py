"""photism doctor, on a machine where everything works and on machines where something is missing."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from photism import AudioToImagePipeline, __version__
from photism.cli.app import app

REINSTALL = "pip install --force-reinstall --no-deps photism-tiny"


@pytest.fixture(autouse=True)
def model_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace loading the bundled model, which the last test does, by nothing."""
    monkeypatch.setattr(AudioToImagePipeline, "from_pretrained", lambda: None)


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def checks(result: Result) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_everything_works():
    result = doctor()
    assert result.exit_code == 0
    assert f"ok  photism           {__version__}\n" in result.stdout
    assert re.search(r"^ok  device            .*cpu \(\d+ cores\)$", result.stdout, re.MULTILINE)
    for verb in ("draw", "film", "hear", "embed", "index", "search", "sound", "serve", "align", "export", "--ray"):
        assert f"ok  {verb:18}ready\n" in result.stdout
    for verb in ("transcribe", "speakers"):
        assert f"ok  {verb:18}ready with --model: none is bundled\n" in result.stdout
    assert "\nno " not in result.stdout
    assert re.search(
        r"^ok  AudioLDM 2        cvssp/audioldm2 is downloaded .* non-commercial use only", result.stdout, re.M
    )


def test_json_has_the_checks_of_the_table():
    result = doctor("--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["works"] is True
    assert list(checks(result)) == [line[4:22].strip() for line in doctor().stdout.splitlines()]


@pytest.mark.parametrize("library", ["fastapi", "python_multipart", "prometheus_client"])
def test_without_a_library_of_the_server_only_serve_is_missing(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    result = doctor()
    assert result.exit_code == 0
    assert f"no  serve             needs {library}: pip install 'photism[server]'\n" in result.stdout
    assert "ok  draw              ready\n" in result.stdout


def test_without_a_training_library_only_align_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    result = doctor()
    assert result.exit_code == 0
    assert "no  align             needs accelerate: pip install 'photism[train]'\n" in result.stdout
    assert "ok  draw              ready\n" in result.stdout


def test_without_onnxscript_only_export_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    result = doctor()
    assert result.exit_code == 0
    assert "no  export            needs onnxscript: pip install 'photism[export]'\n" in result.stdout
    assert "ok  draw              ready\n" in result.stdout


def test_without_the_libraries_for_collections_hear_still_works(monkeypatch):
    for library in ("lance", "ray"):
        monkeypatch.setitem(sys.modules, library, None)
    result = doctor()
    assert result.exit_code == 0
    for verb in ("index", "search"):
        assert f"no  {verb:18}needs lance: pip install 'photism[collection]'\n" in result.stdout
    assert "no  --ray             needs ray: pip install 'photism[cluster]'\n" in result.stdout
    assert "ok  hear              ready\n" in result.stdout


def test_without_a_core_library_nothing_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    result = doctor("--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["works"] is False
    for verb in ("draw", "film", "hear", "sound", "serve", "align"):
        assert checks(result)[verb] == {
            "name": verb,
            "works": False,
            "found": "needs soxr",
            "remedy": "pip install photism",
        }


def test_a_damaged_model_is_reported_in_one_line(monkeypatch):
    def damaged() -> None:
        raise OSError("header\n  too large")

    monkeypatch.setattr(AudioToImagePipeline, "from_pretrained", damaged)
    result = doctor()
    assert result.exit_code == 1
    assert f"no  bundled model     header too large: {REINSTALL}\n" in result.stdout
    assert f"no  draw              needs bundled model: {REINSTALL}\n" in result.stdout


def test_a_damaged_sound_model_stops_sound_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("photism.audioldm2.checkpoint.bundled_model", lambda: tmp_path)
    result = doctor()
    assert result.exit_code == 0
    assert re.search(rf"^no  bundled sound     .*: {re.escape(REINSTALL)}$", result.stdout, re.M)
    assert f"no  sound             needs bundled sound: {REINSTALL}\n" in result.stdout
    assert "ok  draw              ready\n" in result.stdout


def test_without_torch_the_device_is_the_cpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = checks(doctor("--json"))
    assert re.fullmatch(r"cpu \(\d+ cores\)", found["device"]["found"])
    assert found["torch"]["works"] is False


def test_libraries_print_no_warnings():
    process = subprocess.run(
        [sys.executable, "-c", "from photism.cli.app import main; main()", "doctor"],
        capture_output=True,
        text=True,
    )
    assert "ok  bundled model     loads" in process.stdout
    assert process.stderr == ""
