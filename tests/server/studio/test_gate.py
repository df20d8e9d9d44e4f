"""The page over HTTP: what it takes, whose work is cancelled, and what does not exist."""

import json
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the studio needs gradio: pip install 'photism[studio]'")
httpx = pytest.importorskip("httpx")

from .conftest import HEARD, SLOW_SEED, wav  # noqa: E402

VALUES = (12, 3.0, 7, 1, "empty", None, 0.5, "", "blend", -1)
FILE = {"_type": "gradio.FileData"}


class Browser:
    """A program that speaks the protocol of the page."""

    def __init__(self, address: str) -> None:
        self.address, self.http = address, httpx.Client(base_url=address, timeout=20)

    def upload(self, data: bytes, name: str = "said.wav") -> "httpx.Response":
        return self.http.post("/gradio_api/upload", files={"files": (name, data)})

    def sound(self) -> dict[str, object]:
        return {"path": self.upload(wav(1)).json()[0], "meta": FILE}

    def start(self, values: object, **fields: object) -> "httpx.Response":
        return self.http.post("/gradio_api/call/draw", json={"data": values, **fields})

    def draw(self, values: object) -> tuple[str, object]:
        """Return the last event, and its data."""
        started = self.start(values)
        assert started.status_code == 200, started.text
        answer = self.http.get(f"/gradio_api/call/draw/{started.json()['event_id']}").text
        event, data = answer.strip().split("\n\n")[-1].split("\n")
        return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.fixture(scope="module")
def browser(page):
    with Browser(page).http as http:
        browser = Browser(page)
        browser.http = http
        yield browser


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_drawing(browser, services, pipeline):
    event, (pictures, heard) = browser.draw([browser.sound(), *VALUES])
    assert event == "complete"
    assert pipeline.settings.seed == 7
    assert heard["confidences"] == [{"label": label, "confidence": score} for label, score in HEARD.items()]
    image = pictures[0]["image"]
    assert image["path"].startswith("/page/")
    assert image["url"] == f"{browser.address}/gradio_api/file={image['path']}"
    answer = browser.http.get(image["url"])
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.startswith(b"\x89PNG")
    assert not files_below(services.storage.uploads)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({0: None}, "Record or upload a sound first, or choose an example."),
        ({0: "said.wav"}, "Sound must be a file that was uploaded and has not expired; choose it again."),
        ({0: {"path": "/etc/passwd", "meta": FILE}}, "Sound must be a file that was uploaded"),
        ({0: {"path": "http://127.0.0.1:1/a.wav", "meta": FILE}}, "Sound must be a file that was uploaded"),
        ({0: {"path": None, "meta": FILE}}, "Sound must be a file that was uploaded"),
        ({6: {"path": f"/page/{'0' * 32}/sound.wav", "meta": FILE}}, "Second sound must be a file that was uploaded"),
        ({1: None}, "Steps must be a number; got null."),
        ({1: "12"}, 'Steps must be a number; got "12".'),
        ({2: []}, "Guidance scale must be a number; got []."),
        ({4: 5}, "Images must be at most 4; got 5."),
        ({5: None}, "Negative must be a text of at most 10000 characters; got null."),
        ({8: "x" * 10_001}, "Text must be a text of at most 10000 characters; got"),
        ({9: "above"}, "Text must"),
        ({10: {}}, "Strength must be a number; got {}."),
    ],
)
def test_wrong_values_are_an_error_in_words(browser, changed, message):
    values = [browser.sound(), *VALUES]
    if changed.get(9):
        changed, message = {8: "a rose", **changed}, "text_place must be blend, before, after or START:STOP"
    for position, value in changed.items():
        values[position] = value
    event, answer = browser.draw(values)
    assert event == "error"
    assert answer["error"].startswith(message)


def test_a_call_is_answered_whatever_session_it_names(browser):
    started = browser.start([browser.sound(), *VALUES], session_hash="mine").json()["event_id"]
    assert "event: complete" in browser.http.get(f"/gradio_api/call/draw/{started}").text


@pytest.mark.parametrize("path", ["call/draw/nothing", "queue/data?session_hash=nobody", "queue/data"])
def test_results_that_nobody_asked_for_are_a_problem(browser, path, caplog):
    answer = browser.http.get(f"/gradio_api/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/session-not-found")
    assert not caplog.records


def test_missing_values_are_an_error_in_words(browser):
    event, answer = browser.draw([None])
    assert event == "error"
    assert answer["error"].startswith("data must be a list of 11 values: Sound, Steps, Guidance scale,")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("call/draw", {}, "data"),
        ("call/draw", {"data": None}, "data"),
        ("call/draw", {"data": "abc"}, "data"),
        ("call/draw", {"data": [], "session_hash": 5}, "session_hash"),
        ("queue/join", {"data": [], "fn_index": 0}, "session_hash"),
        ("queue/join", {"data": [], "fn_index": 10**9, "session_hash": "me"}, "fn_index"),
        ("queue/join", {"data": [], "fn_index": True, "session_hash": "me"}, "fn_index"),
        ("queue/join", {"data": [], "fn_index": [], "session_hash": "me"}, "fn_index"),
        ("queue/join", {"data": [], "fn_index": 0, "session_hash": "m" * 65}, "session_hash"),
        ("run/predict", {"data": [], "fn_index": 0, "session_hash": "me", "trigger_id": "x"}, "trigger_id"),
    ],
)
def test_wrong_bodies_are_problems(browser, path, body, field):
    answer = browser.http.post(f"/gradio_api/{path}", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


def test_a_body_is_a_json_object_of_at_most_a_megabyte(browser):
    for content, status in ((b"[]", 400), (b"\xff", 400), (b'{"data": ["%s"]}' % (b"x" * 10**6), 413)):
        for path in ("call/draw", "queue/join", "run/predict", "cancel", "reset"):
            assert browser.http.post(f"/gradio_api/{path}", content=content).status_code == status


def test_uploads_are_bounded(browser, services):
    before = files_below(services.storage.folder)
    answer = browser.upload(bytes(2_000_001))
    assert answer.status_code == 413
    assert answer.text.startswith("the body must be at most 2 MB. Send a shorter recording")  # as the page shows it
    files = [("files", (f"{number}.wav", b"x")) for number in range(2)]
    assert browser.http.post("/gradio_api/upload", files=files).status_code == 400
    assert browser.http.post("/gradio_api/upload", data={"files": "text"}).status_code == 400
    assert browser.http.post("/gradio_api/upload", content=b"x").status_code == 400
    assert files_below(services.storage.folder) == before


def test_an_upload_has_a_name_that_cannot_be_guessed_and_is_not_the_visitors(browser, services):
    first, second = (browser.upload(wav(1), "diary of Anna.wav").json()[0] for _ in range(2))
    assert first != second
    assert first.endswith("/sound.wav")
    assert len(first) > len("/page//sound.wav") + 31
    assert str(services.storage.folder) not in first
    answer = browser.http.get(f"/gradio_api/file={first}", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"RIFF")
    assert "Anna" not in str(answer.headers)


def test_a_script_is_not_shown_as_one(browser):
    name = browser.upload(b"<script>alert(1)</script>", "page.html").json()[0]
    answer = browser.http.get(f"/gradio_api/file={name}")
    assert "html" not in answer.headers["content-type"]
    assert answer.headers["content-disposition"].startswith("attachment")


def test_files_expire_and_examples_do_not(browser, services, monkeypatch):
    name = browser.upload(wav(1)).json()[0]
    example = "/examples/elephant.en.ogg"
    monkeypatch.setattr(services.storage, "keep_s", 0.0)
    services.storage.sweep()
    monkeypatch.undo()
    assert browser.http.get(f"/gradio_api/file={name}").status_code == 404
    assert browser.http.get(f"/gradio_api/file={example}").status_code == 200
    assert browser.draw([{"path": name, "meta": FILE}, *VALUES])[0] == "error"
    assert browser.draw([{"path": example, "meta": FILE}, *VALUES])[0] == "complete"


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://127.0.0.1/",
        "/gradio_api/file=https://example.com/",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/deep_link?session_hash=me",
        "/gradio_api/runs",
        "/gradio_api/queue/status",
        "/gradio_api/openapi.json",
        "/gradio_api/startup-events",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/gradio_api/stream/a/b/1/playlist.m3u8",
        "/gradio_api/custom_component/a/client/b/c",
        "/login",
        "/logout",
        "/gradio_api/token",
        "/robots.txt",
        "/nowhere",
    ],
)
def test_other_routes_do_not_exist(browser, path):
    answer = browser.http.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["component_server", "process_recording", "run-history/connect", "vibe-edit", "call/v2/draw", "run/draw"]
)
def test_nothing_else_can_be_posted(browser, path):
    assert browser.http.post(f"/gradio_api/{path}", json={"data": []}).status_code == 404


def test_the_queue_cannot_be_passed_by(browser):
    config = browser.http.get("/config").json()
    (draw,) = (each["id"] for each in config["dependencies"] if each["api_name"] == "draw")
    body = {"data": [browser.sound(), *VALUES], "fn_index": draw, "session_hash": "me"}
    assert browser.http.post("/gradio_api/run/predict", json=body).status_code == 404


def test_endpoints_keep_their_paths_and_methods(browser):
    assert browser.http.post("/v1/endpoint").json() == "an endpoint"
    assert browser.http.get("/v1/endpoint").status_code == 405


def test_another_site_gets_no_permission_to_read(browser):
    headers = {
        "Origin": "http://elsewhere.example",
        "Host": "photism.lan",
        "X-Gradio-Server": "http://elsewhere.example",
    }
    answer = browser.http.get("/config", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "elsewhere" not in answer.text


def test_no_answer_has_a_path_of_the_server(browser, services):
    answers = [browser.http.get(path) for path in ("/", "/config", "/gradio_api/info", "/theme.css", "/manifest.json")]
    answers.append(browser.http.get("/gradio_api/file=/nowhere"))
    config = answers[1].json()
    (load,) = (each["id"] for each in config["dependencies"] if each["api_name"] == "load_example")
    body = {"data": [0], "fn_index": load, "session_hash": "me"}
    example = browser.http.post("/gradio_api/run/predict", json=body)
    assert example.json()["data"][0]["value"]["path"].startswith("/examples/")
    for answer in (*answers, example):
        for folder in (services.storage.folder, Path(__file__).parents[3], Path(pytest.__file__).parents[1]):
            assert str(folder) not in answer.text


@pytest.fixture
def slow(browser, pipeline):
    """Return a function that starts a drawing, which goes on until it is cancelled, for a session."""
    values = [browser.sound(), *VALUES]
    values[3] = SLOW_SEED
    config = browser.http.get("/config").json()
    (draw,) = (each["id"] for each in config["dependencies"] if each["api_name"] == "draw")

    def start(session: str) -> dict[str, object]:
        body = {"data": values, "fn_index": draw, "session_hash": session}
        return {"event_id": browser.http.post("/gradio_api/queue/join", json=body).json()["event_id"], "fn_index": draw}

    return start


def next_drawing_s(browser):
    start = time.monotonic()
    assert browser.draw([browser.sound(), *VALUES])[0] == "complete"
    return time.monotonic() - start


def test_a_closed_tab_ends_its_drawings(browser, pipeline, slow):
    for _ in range(3):
        slow("closed")
    with browser.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "closed"}) as events:
        lines = events.iter_lines()
        next(lines)
        assert pipeline.is_drawing.wait(5)
    assert next_drawing_s(browser) < 5


def test_stopping_ends_a_drawing(browser, pipeline, slow):
    lines = []

    def watch() -> None:
        with browser.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "stop"}) as events:
            lines.extend(events.iter_lines())

    job = slow("stop")
    watching = threading.Thread(target=watch)
    watching.start()
    assert pipeline.is_drawing.wait(5)
    browser.http.post("/gradio_api/cancel", json={"session_hash": "stop", **job})
    watching.join(5)
    assert not watching.is_alive()
    assert "process_completed" in "".join(lines)
    assert next_drawing_s(browser) < 5


def test_drawings_that_nobody_waits_for_do_not_begin(browser, pipeline, slow):
    for number in range(6):
        slow(f"abandoned {number}")
    assert next_drawing_s(browser) < 5
    assert not pipeline.is_drawing.is_set()
