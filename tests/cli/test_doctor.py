"""photism doctor, on a machine where everything works and on machines where something is missing."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from photism import AudioToImagePipeline, __version__
from photism.cli.app import app
from photism.extras import install_command, is_installed, reinstall_command

REINSTALL = reinstall_command()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Replace loading models by nothing and importing libraries by finding them, which other tests do.

    kenlm, which has to be compiled and which no test needs to be there, is always found.
    """
    monkeypatch.setattr(AudioToImagePipeline, "from_pretrained", lambda: None)
    if "sound_model" not in request.fixturenames:
        monkeypatch.setattr("photism.diagnostics.diagnosis._load_sound_model", lambda: None)
    monkeypatch.setattr("photism.diagnostics.libraries.HERE", ("torch",))
    monkeypatch.setattr(
        "photism.diagnostics.libraries.is_installed", lambda name: name == "kenlm" or is_installed(name)
    )
    monkeypatch.setattr("photism.diagnostics.libraries._start", lambda modules: _Imported())


class _Imported:
    """A process that has imported all modules."""

    returncode = 0

    def communicate(self, timeout: float) -> tuple[str, None]:
        return "", None


@pytest.fixture
def sound_model(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Let the bundled sound model be an empty folder."""
    monkeypatch.setattr("photism.audioldm2.checkpoint.bundled_model", lambda: tmp_path)


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def checks(result: Result) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def row(name: str, found: str, remedy: str) -> str:
    return f"no  {name:18}{found}\n{'':22}{remedy}\n"


def test_everything_works():
    result = doctor()
    assert result.exit_code == 0
    assert f"ok  photism           {__version__}\n" in result.stdout
    assert re.search(r"^ok  device            .*cpu \(\d+ cores, \d+ threads of torch\)$", result.stdout, re.MULTILINE)
    for verb in ("draw", "film", "hear", "embed", "index", "search", "sound", "serve", "align", "export", "--ray"):
        assert f"ok  {verb:18}ready\n" in result.stdout
    assert "ok  transcribe        needs --model, such as facebook/wav2vec2-base-960h\n" in result.stdout
    assert "ok  speakers          needs --model, a Wav2Vec2BertFor" in result.stdout
    for name in ("memory", "disk", "downloaded models"):
        assert re.search(rf"^ok  {name:18}[\d.]+ of [\d.]+ GiB free", result.stdout, re.M)
    assert "\nno " not in result.stdout
    assert "cvssp/audioldm2 is downloaded" in result.stdout
    assert "non-commercial use only" in " ".join(result.stdout.split())
    assert re.fullmatch(r"checked in \d+\.\d s", result.stdout.splitlines()[-1])
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_every_library_of_every_extra_is_checked():
    found = checks(doctor("--json"))
    for name in ("torch", "uvicorn", "compel", "pygame-ce", "onnx", "datasets", "ray", "jiwer", "tensorboard", "kenlm"):
        assert name in found


def test_json_has_the_checks_of_the_table():
    result = doctor("--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["works"] is True
    assert json.loads(result.stdout)["duration_s"] >= 0
    rows = [line[4:22].strip() for line in doctor().stdout.splitlines() if line[:4] in ("ok  ", "no  ")]
    assert list(checks(result)) == rows


@pytest.mark.parametrize(
    ("module", "library", "extra", "verbs"),
    [
        ("fastapi", "fastapi", "server", ["serve"]),
        ("python_multipart", "python-multipart", "server", ["serve"]),
        ("pygame", "pygame-ce", "live", ["live"]),
        ("tensorboard", "tensorboard", "train", ["align", "finetune"]),
        ("onnxscript", "onnxscript", "export", ["export"]),
        ("lance", "pylance", "collection", ["index", "search"]),
        ("ray", "ray", "cluster", ["--ray"]),
        ("compel", "compel", "diffusion", []),
    ],
)
def test_a_missing_library_of_an_extra_stops_its_verbs_alone(monkeypatch, module, library, extra, verbs):
    monkeypatch.setitem(sys.modules, module, None)  # what `import` and find_spec meet when it is not installed
    result = doctor()
    assert result.exit_code == 0
    assert row(library, "not installed", install_command(extra)) in result.stdout
    for verb in verbs:
        assert row(verb, f"needs {library}", install_command(extra)) in result.stdout
    assert len(re.findall(r"^no ", result.stdout, re.M)) == 1 + len(verbs)


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
            "remedy": install_command(),
        }


def test_a_damaged_model_is_reported_in_one_line(monkeypatch):
    def damaged() -> None:
        raise OSError("header\n  too large")

    monkeypatch.setattr(AudioToImagePipeline, "from_pretrained", damaged)
    result = doctor()
    assert result.exit_code == 1
    assert row("bundled model", "header too large", REINSTALL) in result.stdout
    assert row("draw", "needs bundled model", REINSTALL) in result.stdout


@pytest.mark.usefixtures("sound_model")
def test_a_damaged_sound_model_stops_sound_alone():
    result = doctor()
    assert result.exit_code == 0
    assert row("sound", "needs bundled sound", REINSTALL) in result.stdout
    assert "ok  draw              ready\n" in result.stdout


def test_without_torch_the_device_is_the_cpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = checks(doctor("--json"))
    assert re.fullmatch(r"cpu \(\d+ cores\)", found["device"]["found"])
    assert found["torch"]["works"] is False


def test_in_offline_mode_the_hub_is_not_asked(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert checks(doctor("--json"))["hub"]["found"] == "not asked: HF_HUB_OFFLINE is set"


def test_a_hub_that_is_not_reachable_is_no_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    hub = checks(doctor("--json"))["hub"]
    assert hub["works"] is True
    assert "only models on this machine can be used" in hub["found"]


@pytest.mark.slow
def test_libraries_print_no_warnings():
    process = subprocess.run(
        [sys.executable, "-c", "from photism.cli.app import main; main()", "doctor"],
        capture_output=True,
        text=True,
    )
    assert "ok  bundled model     loads" in process.stdout
    assert process.stderr == ""
