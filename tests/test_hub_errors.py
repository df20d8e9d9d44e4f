"""What is said where the hub does not provide something, as a small server in its place answers, or none at all."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

from photism.errors import InputError, as_input_error
from photism.hub import did_you_mean, fetch_file, fetch_files
from photism.hub_errors import describe_hub_error

COMMIT = "0" * 40
ANSWERS = {
    "missing": (404, "RepoNotFound"),
    "private": (401, "RepoNotFound"),
    "gated": (403, "GatedRepo"),
    "disabled": (403, "DisabledRepo"),
    "forbidden": (403, ""),
    "busy": (429, ""),
    "broken": (500, ""),
}
"""Status and error code with which the server answers, by the name of the repository."""
DISABLED = "Access to this resource is disabled."
LOGIN = "log in with `hf auth login`"


class Hub(BaseHTTPRequestHandler):
    """Repository `there/there` with nothing in it, and repositories of the names in `ANSWERS`."""

    def do_GET(self) -> None:
        _, found, name = self.path.rpartition("there/")
        status, code = ANSWERS.get(name.partition("/")[0], (200, "")) if found else ANSWERS["missing"]
        is_revision = status == 200 and "/revision/" in self.path and not self.path.endswith("/main")
        is_file = status == 200 and "/resolve/" in self.path
        status = 404 if is_revision or is_file else status
        code = "RevisionNotFound" if is_revision else "EntryNotFound" if is_file else code
        body = b"[]" if "/tree/" in self.path else json.dumps({"id": "there/there", "sha": COMMIT}).encode()
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header(
                "X-Error-Message", "Access to this resource is disabled." if code == "DisabledRepo" else "no"
            )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path, url: str) -> Iterator[str]:
    with monkeypatch.context() as patch:
        patch.setenv("HF_ENDPOINT", url)
        patch.setattr(constants, "ENDPOINT", url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        patch.setattr("huggingface_hub.get_token", lambda: None)
        patch.chdir(tmp_path)
        yield url


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with endpoint(monkeypatch, tmp_path, f"http://127.0.0.1:{server.server_port}") as url:
        yield url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", f"the hub has no repository of this name, or it is private: check the spelling, or {LOGIN}"),
        ("private", f"the hub has no repository of this name, or it is private: check the spelling, or {LOGIN}"),
        ("gated", f"it is gated: ask for access at {{hub}}/there/gated, and {LOGIN}"),
        ("disabled", "the hub has disabled it"),
        ("forbidden", f"the hub refused access (HTTP 403): {LOGIN}"),
        ("broken", "{hub} answered HTTP 500: try again later"),
    ],
)
def test_each_answer_of_the_hub_has_its_reason(name, reason, hub):
    with pytest.raises(InputError) as error:
        fetch_files("model", f"there/{name}", ["*.json"])
    assert str(error.value) == f"model there/{name}: {reason.format(hub=hub)}"


def test_with_a_token_the_account_is_the_reason(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    with pytest.raises(InputError, match=r"the hub has no repository of this name that your account may read$"):
        fetch_files("model", "there/missing", ["*.json"])
    with pytest.raises(InputError, match=r"the hub refused access \(HTTP 403\): your account may not do this$"):
        fetch_files("model", "there/forbidden", ["*.json"])


def test_a_revision_or_a_file_that_the_repository_lacks(hub):
    with pytest.raises(InputError) as error:
        fetch_files("model", "there/there", ["*.json"], revision="v3")
    assert str(error.value) == "model there/there, revision v3: the hub has no such revision of it"
    with pytest.raises(InputError) as error:
        fetch_file("vae", "there/there", "vae/config.json")
    assert str(error.value) == "vae there/there: the hub has it, but without a file that is needed"


def test_without_a_network_the_hub_cannot_be_reached(monkeypatch, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nothing listens there
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with endpoint(monkeypatch, tmp_path, url), pytest.raises(InputError) as error:
            fetch_files("model", "there/there", ["*.json"])
    assert str(error.value) == f"model there/there: {url} cannot be reached: check the network"


def test_where_downloads_are_switched_off_the_variable_is_named(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    with pytest.raises(InputError) as error:
        fetch_files("model", "there/there", ["*.json"])
    expected = "TRANSFORMERS_OFFLINE is set, and the cache does not have it: unset TRANSFORMERS_OFFLINE to download it"
    assert str(error.value) == f"model there/there: {expected}"


def test_a_mistyped_folder_is_named(hub, tmp_path):
    (tmp_path / "rain").mkdir()
    with pytest.raises(InputError, match=r"^model rian: no such folder \(did you mean rain\?\); "):
        fetch_files("model", "rian", ["*.json"])
    with pytest.raises(InputError, match=r"^model \./rian: no such file or folder \(did you mean rain\?\)$"):
        fetch_files("model", "./rian", ["*.json"])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"^model notes\.txt is a file; give the folder of a model, or the id of "):
        fetch_files("model", "notes.txt", ["*.json"])
    assert did_you_mean("snow") == did_you_mean("no/such/folder") == ""


@pytest.mark.parametrize("hub_id", ["a b", "a/b--c", "-a", "a" * 97])
def test_what_can_be_no_id_is_not_looked_up(hub_id):
    with pytest.raises(
        InputError, match=r"an id of the hub is NAME or OWNER/NAME, of letters, digits and -, _ and \.$"
    ):
        fetch_files("model", hub_id, ["*.json"])


class TimeoutException(Exception):
    """As the HTTP library has it."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LocalTokenNotFoundError("no token"), f"a token is needed: {LOGIN}"),
        (TimeoutException(), "https://huggingface.co did not answer in time: check the network, or try again"),
        (ConnectionError(), "https://huggingface.co cannot be reached: check the network"),
        (MemoryError(), None),
        (OSError(28, "No space left on device"), None),
        (OSError("Consistency check failed\nand more"), "Consistency check failed"),
    ],
)
def test_errors_that_are_no_answer(error, reason, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert describe_hub_error(error, "there/there") == reason


def test_a_library_that_wraps_the_error_of_the_hub_changes_nothing():
    def load():
        try:
            raise OfflineModeIsEnabled("offline")
        except OfflineModeIsEnabled as error:
            raise OSError("We couldn't connect to the hub\nand more") from error

    with (
        pytest.raises(InputError, match=r"^clip cannot be loaded: HF_HUB_OFFLINE is set"),
        as_input_error("clip cannot be loaded"),
    ):
        load()
    with pytest.raises(InputError, match=r"^clip cannot be loaded: gone$"), as_input_error("clip cannot be loaded"):
        raise ConnectionError("gone")  # of something else than the hub
