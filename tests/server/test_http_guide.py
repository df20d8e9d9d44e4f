"""docs/guides/http.md: its commands and programs run against a server, and its tables are those of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest

from photism.hub import bundled_model
from photism.server.collection import Collection
from photism.server.endpoints.live_transcription import BODY
from photism.server.engine.model_list import read_entries
from photism.server.settings import LimitSettings, ModelsSettings
from photism.settings import declarations
from tests.server.serving import served
from tests.support.document_examples import console_examples, python_examples, without_figures

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "src/photism/server"
GUIDE = (ROOT / "docs/guides/http.md").read_text(encoding="utf8")
ADDRESS = "127.0.0.1:7860"
LONGEST_S = 60
COMMANDS = [(command, shown) for command, shown in console_examples(GUIDE) if not command.startswith("photism")]
DOCUMENTED = re.compile(r"(?:http|ws)://127\.0\.0\.1:7860(/v1/[\w/]*)")


@pytest.fixture(scope="module")
def app(make_client, server_registry, collection):
    return make_client(server_registry, collection=Collection(str(collection), server_registry)).app


@pytest.fixture(scope="module")
def host(app):
    with served(app) as url:
        yield url.removeprefix("http://")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the example recordings, and settings that make curl fail if a problem is answered."""
    folder = tmp_path_factory.mktemp("guide")
    for path in (bundled_model() / "examples").glob("*.ogg"):
        shutil.copy(path, folder)
    (folder / ".curlrc").write_text("silent\nshow-error\nmax-time = 60\n")
    return folder


def shape(value):
    """Return the names and types in a value of JSON, without its figures and the length of its lists."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return value if isinstance(value, str | bool) or value is None else "number"


def is_problem(answer):
    return answer.startswith('{"type":"/problems/')


@pytest.mark.slow
def test_commands_run_in_order_and_print_what_is_shown(host, folder):
    film = None
    for command, shown in COMMANDS:
        if "/recordings/ID" in command:
            command = command.replace("/ID", f"/{json.loads((folder / 'found.json').read_text())['hits'][0]['id']}")
        elif "/ID" in command:
            command = command.replace("/ID", f"/{film}")
        done = subprocess.run(
            ["bash", "-c", command.replace(ADDRESS, host)],
            cwd=folder,
            env=os.environ | {"CURL_HOME": str(folder), "PHOTISM_TOKEN": "SECRET"},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        if shown:
            assert shape(json.loads(done.stdout)) == shape(json.loads(shown)), command
            assert without_figures(done.stdout.strip()) == without_figures(shown.strip()), command
        else:
            assert not is_problem(done.stdout), (command, done.stdout)
        if found := re.search(r"(?m)^location: /v1/film/(\S+)", done.stdout, re.IGNORECASE):
            film = found[1]
    for path in folder.glob("*.*"):
        assert not is_problem(path.read_text(errors="replace")), path
    for name, start in (("elephant.png", b"\x89PNG"), ("banana.png", b"\x89PNG"), ("spoken.wav", b"RIFF")):
        assert (folder / name).read_bytes().startswith(start)
    assert (folder / "found.ogg").read_bytes() == (folder / "elephant.en.ogg").read_bytes()
    assert (folder / "elephant.mp4").read_bytes()[4:8] == b"ftyp"
    assert "event: result" in (folder / "events.txt").read_text()


@pytest.mark.parametrize("code", python_examples(GUIDE))
def test_programs_run(host, folder, code):
    if not (folder / "spoken.wav").exists():  # without the slow test
        command = next(command for command, _ in COMMANDS if "spoken.wav" in command)
        subprocess.run(["bash", "-c", command.replace(ADDRESS, host)], cwd=folder, check=True)
    done = subprocess.run(
        [sys.executable, "-c", code.replace(ADDRESS, host).replace('"english"', '"letters"')],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "live" in code:
        assert '"type": "ready"' in done.stdout.replace("'", '"')
    if "picture.png" in code:
        assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_every_endpoint_has_a_command_or_a_program(app):
    paths = {path for path in app.openapi()["paths"] if path.startswith("/v1/")} | {
        route.path for route in app.routes if getattr(route, "path", "").startswith("/v1/live/")
    }
    without_names = {re.sub(r"/\{[^}]*\}", "/ID", path) for path in paths}
    assert {path.rstrip("/") for path in DOCUMENTED.findall(GUIDE)} >= without_names - {"/v1/models/ID"}


def test_the_models_of_the_guide_can_be_read(ctc_checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("facebook").mkdir()
    for name in ("wav2vec2-base-960h", "mms-1b-all"):
        Path("facebook", name).symlink_to(ctc_checkpoints / "wav2vec2")
    (code,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    Path("models.yaml").write_text(code)
    found = {entry.name: entry for entry in read_entries(ModelsSettings(models=Path("models.yaml")))}
    assert {name: entry.kind for name, entry in found.items()} == {
        "english": "recognizer",
        "french": "recognizer",
        "night": "drawing",
    }
    assert (found["english"].settings.dtype, found["french"].settings.language) == ("bfloat16", "fra")
    assert found["night"].settings.loras == (("ink.safetensors", 0.7),)


def test_the_limits_are_those_of_the_settings():
    defaults = LimitSettings()
    rows = []
    for name, declared in declarations(LimitSettings).items():
        flag = declared.flag or f"--{name.replace('_', '-')}"
        value = getattr(defaults, name)
        unit = f" {declared.unit}" if declared.unit else ""
        rows.append(f"| `{flag}` | {value:,g}{unit} | {declared.description} |")
    assert "\n".join(rows) in GUIDE


def test_the_settings_of_a_live_transcription_are_those_of_the_code():
    (row,) = re.findall(r"(?m)^\| text \| a JSON object with the fields (.*) \|$", GUIDE)
    assert set(re.findall(r"`([a-z_]+)`", row)) == BODY.fields.fields.keys()


def test_the_errors_are_those_of_the_code():
    section = GUIDE.split("## Errors")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (\d+) \| (.*?) \|", section)
    documented = {(int(status), name) for status, names in rows for name in re.findall(r"`([\w-]+)`", names)}
    code = "".join(path.read_text() for path in SERVER.rglob("*.py"))
    raised = set(re.findall(r'(?:Problem|__init__|problem)\(\s*(?:HTTPStatus\.)?(\w+),\s*"([\w-]+)"', code))
    raised -= {("CLIENT_CLOSED_REQUEST", "client-closed-request")}  # of which nobody reads the answer
    assert {name for _, name in raised} | {"not-found", "method-not-allowed"} == {name for _, name in documented}
    assert {(HTTPStatus[status].value, name) for status, name in raised if status.isupper()} <= documented
