"""/v1/film: films that are drawn in the background."""

import json
import os
import threading
import time
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from photism.audio.writing import write_waveform
from photism.cancellation import check_cancelled
from photism.cli import film as film_command
from photism.drawing.video import film as film_module
from photism.drawing.video import resumable_file
from photism.drawing.video.film import Film
from photism.server.answers import files as answer_files

FPS = 4
SETTINGS = {"fps": FPS, "steps": 1, "seed": 3}
FLAGS = ("--fps", FPS, "--steps", 1, "--seed", 3)
SEGMENT = 8  # frames of two seconds


def write_sound(path, duration_s):
    time_s = np.arange(round(16_000 * duration_s)) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * 300 * time_s) * np.sin(4 * time_s)
    write_waveform(samples, path, sampling_rate=16_000, title="", about={})
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return a recording of 4 frames, which are drawn at once."""
    return write_sound(tmp_path_factory.mktemp("sound") / "waves.wav", 1)


@pytest.fixture(scope="module")
def done(client, sound):
    """Return the address of a film that is done, and its state."""
    location = begin(client, sound)
    return location, wait(client, location)


@pytest.fixture(autouse=True)
def _delete_others(client, done):
    yield
    for job in list(client.app.state.services.films._jobs.values()):
        if job.id != done[1]["id"]:
            client.delete(f"/v1/film/{job.id}")
            while job.is_active:  # until then its files are kept
                time.sleep(0.01)


def begin(client, sound, **settings):
    with sound.open("rb") as file:
        answer = client.post("/v1/film", files={"file": (sound.name, file)}, data={**SETTINGS, **settings})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/film/{answer.json()['id']}"
    assert answer.headers["vary"] == "Accept"
    return answer.headers["location"]


def set_when_queued(client, event):
    """Set an event as soon as a request waits for the model that draws."""
    registry = client.app.state.services.registry
    lane = registry.lanes[registry.find("drawing")]

    def watch():
        for _ in range(6000):
            if lane.queued:
                break
            time.sleep(0.01)
        event.set()

    threading.Thread(target=watch, daemon=True).start()


def wait(client, location):
    """Return the state of a film when it has ended."""
    for _ in range(600):
        found = client.get(location).json()
        if found["state"] not in ("queued", "loading", "running"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


@pytest.fixture
def stop_at(monkeypatch):
    """Return a function that lets films wait at frames, and returns for each events that it is reached, and to go on.

    They wait before the frame is reported, so that they can still be cancelled at it.
    """

    def stop(*frames):
        events = {frame: (threading.Event(), threading.Event()) for frame in frames}
        write = resumable_file.write_film

        def waiting(film, target, *, frames=None, callback_on_frame):
            def report(done, total):
                if done in events:
                    reached, release = events[done]
                    reached.set()
                    release.wait(60)
                callback_on_frame(done, total)

            write(film, target, frames=frames, callback_on_frame=report)

        monkeypatch.setattr(resumable_file, "write_film", waiting)
        return events[frames[0]] if len(frames) == 1 else list(events.values())

    return stop


def frames_drawn(monkeypatch):
    """Return a list that gets the numbers of the frames that are drawn from now on."""
    drawn, frames = [], Film.frames

    def noted(self, indices):
        for frame in frames(self, indices):
            drawn.append(frame.index)
            yield frame

    monkeypatch.setattr(Film, "frames", noted)
    return drawn


def read_frames(path):
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_a_film_is_that_of_the_command_line(client, sound, done, server_drawing, command_json, tmp_path, monkeypatch):
    location, ended = done
    assert (ended["state"], ended["frames"], ended["frames_done"]) == ("done", 4, 4)
    answer = client.get(f"{location}/result")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'inline; filename="waves.mp4"'
    (tmp_path / "http.mp4").write_bytes(answer.content)
    monkeypatch.setattr(film_command, "load_pipeline", lambda *_, **__: (server_drawing.pipeline, None))
    (printed,) = command_json("film", sound, "-o", tmp_path / "command.mp4", "--json", *FLAGS)
    assert ended["film"] == {name: value for name, value in printed.items() if name != "file"}
    one, other = (read_frames(tmp_path / name) for name in ("http.mp4", "command.mp4"))
    assert np.array_equal(one, other)


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """Return a recording of six seconds, of which a preview has five."""
    return write_sound(tmp_path_factory.mktemp("waves") / "waves.wav", 6)


def test_a_preview_is_that_of_the_command_line(client, waves, server_drawing, command_json, tmp_path, monkeypatch):
    ended = wait(client, location := begin(client, waves, preview=True, fps=1))
    assert (ended["state"], ended["kind"], ended["frames"], ended["frames_done"]) == ("done", "preview", 5, 5)
    answer = client.get(f"{location}/result")
    assert answer.headers["content-disposition"] == 'inline; filename="waves.preview.mp4"'
    (tmp_path / "http.mp4").write_bytes(answer.content)
    monkeypatch.setattr(film_command, "load_pipeline", lambda *_, **__: (server_drawing.pipeline, None))
    (printed,) = command_json(
        "film", waves, "--preview", "-o", tmp_path / "command.mp4", "--json", "--fps", 1, *FLAGS[2:]
    )
    assert ended["film"] == {name: value for name, value in printed.items() if name != "file"}
    one, other = (read_frames(tmp_path / name) for name in ("http.mp4", "command.mp4"))
    assert np.array_equal(one, other)


def test_a_storyboard_is_that_of_the_command_line(
    client, sound, recordings, server_drawing, command_json, tmp_path, monkeypatch
):
    ended = wait(client, location := begin(client, sound, storyboard=True, stills=3))
    assert (ended["state"], ended["kind"], ended["frames"], ended["frames_done"]) == ("done", "storyboard", 3, 3)
    answer = client.get(f"{location}/result")
    assert (answer.headers["content-type"], answer.headers["vary"]) == ("image/png", "Accept")
    assert answer.headers["content-disposition"] == 'inline; filename="waves.storyboard.png"'
    assert client.get(f"{location}/result", headers={"Accept": "video/mp4"}).status_code == 406
    monkeypatch.setattr(film_command, "load_pipeline", lambda *_, **__: (server_drawing.pipeline, None))
    target = tmp_path / "board.png"
    (printed,) = command_json("film", sound, "--storyboard", target, "--stills", 3, "--json", *FLAGS)
    assert ended["film"] == {name: value for name, value in printed.items() if name != "file"}
    with Image.open(BytesIO(answer.content)) as one, Image.open(target) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
        texts = one.text | {"sound": other.text["sound"]}
        assert texts == other.text | {"model": texts["model"]}
        assert str(tmp_path) not in str(one.text)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"storyboard": True, "preview": True}, "preview cannot be combined with storyboard; draw one, then the other"),
        ({"storyboard": True, "stills": 5}, "stills must be at most 4 on this server; got 5"),
    ],
)
def test_what_is_drawn_of_a_film_is_checked(client, sound, fields, detail):
    with sound.open("rb") as file:
        answer = client.post("/v1/film", files={"file": file}, data={**SETTINGS, **fields})
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)
    assert answer.json()["field"] == next(reversed(fields))


def test_the_start_of_a_film_is_answered_as_json_alone(client, sound):
    answer = client.post("/v1/film", files={"file": sound.read_bytes()}, headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["type"]) == (406, "/problems/not-acceptable")


def test_a_film_that_is_done_keeps_its_result_alone(client, done):
    folder = client.app.state.services.storage.results / done[1]["id"]
    assert os.listdir(folder) == ["result.mp4"]


def test_a_range_of_a_result_is_sent(client, done):
    address = f"{done[0]}/result"
    whole = client.get(address).content
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert client.get(address, headers={"Range": "bytes=-5"}).content == whole[-5:]
    for headers in (
        {"Range": "seconds=1-2"},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=10-19", "If-Range": '"another"'},
        {"Range": f"bytes={len(whole)}-", "If-Range": '"another"'},
    ):
        answer = client.get(address, headers=headers)
        assert (answer.status_code, answer.content) == (200, whole)
    current = client.get(address, headers={"Range": "bytes=10-19", "If-Range": part.headers["etag"]})
    assert (current.status_code, current.content) == (206, whole[10:20])
    assert client.head(address).headers["content-length"] == str(len(whole))
    for wrong in (f"bytes={len(whole)}-", "bytes=5-1", "bytes=-0"):
        refused = client.get(address, headers={"Range": wrong})
        assert (refused.status_code, refused.json()["type"]) == (416, "/problems/range-not-satisfiable")
        assert refused.headers["content-range"] == f"bytes */{len(whole)}"


def test_events_are_the_frames_and_the_result(client, sound, stop_at):
    reached, release = stop_at(3)
    location = begin(client, sound)
    reached.wait(60)
    threading.Timer(0.1, release.set).start()
    text = client.get(location, headers={"Accept": "text/event-stream"}).text
    events = [each.split("\n") for each in text.split("\n\n") if each]
    first, last = (json.loads(data.removeprefix("data: ")) for _, data in (events[0], events[-1]))
    assert events[0][0] == "event: progress"
    assert (first["done"], first["total"]) == (2, 4)
    assert first["remaining_s"] > 0
    assert events[-1][0] == "event: result"
    assert last["state"] == "done"


def test_a_film_that_was_cancelled_goes_on_after_its_last_segment(client, stop_at, tmp_path, monkeypatch):
    sound = write_sound(tmp_path / "long.wav", (SEGMENT + 2) / FPS)
    reached, release = stop_at(SEGMENT + 2)
    location = begin(client, sound)
    reached.wait(60)
    assert client.post(f"{location}/resume").json()["type"] == "/problems/film-not-resumable"
    assert client.get(f"{location}/result").json()["detail"].startswith("The film is running: ")
    threading.Timer(0.05, release.set).start()
    cancelled = client.post(f"{location}/cancel").json()
    assert (cancelled["state"], cancelled["problem"]["type"]) == ("cancelled", "/problems/cancelled")
    assert client.get(f"{location}/result").status_code == 409
    drawn = frames_drawn(monkeypatch)
    answer = client.post(f"{location}/resume")
    assert (answer.status_code, answer.headers["location"]) == (202, location)
    assert wait(client, location)["state"] == "done"
    assert drawn == [SEGMENT, SEGMENT + 1]
    (tmp_path / "film.mp4").write_bytes(client.get(f"{location}/result").content)
    assert len(read_frames(tmp_path / "film.mp4")) == SEGMENT + 2


def test_a_film_gives_way_to_an_image(client, sound, recordings, stop_at):
    (at_first, go_on), (_, end) = stop_at(1, 2)
    location = begin(client, sound)
    at_first.wait(60)
    set_when_queued(client, go_on)
    with recordings[0].open("rb") as file:
        answer = client.post("/v1/draw", files={"file": file}, data={"steps": 1})
    assert answer.status_code == 200
    assert client.get(location).json()["state"] == "running"
    end.set()
    assert wait(client, location)["state"] == "done"


def test_a_film_gives_way_while_its_recording_is_read(client, sound, recordings, monkeypatch):
    begun, go_on, end, ended = threading.Event(), threading.Event(), threading.Event(), threading.Event()
    resolve = film_module.resolve_sync

    def slow(recording, settings):
        begun.set()
        go_on.wait(60)
        check_cancelled()  # as after each packet that is decoded
        end.wait(60)
        ended.set()
        return resolve(recording, settings)

    monkeypatch.setattr(film_module, "resolve_sync", slow)
    location = begin(client, sound)
    begun.wait(60)
    set_when_queued(client, go_on)
    with recordings[0].open("rb") as file:
        assert client.post("/v1/draw", files={"file": file}, data={"steps": 1}).status_code == 200
    assert not ended.is_set()
    client.delete(location)
    end.set()


def test_a_deleted_film_leaves_nothing(client, sound, stop_at):
    reached, release = stop_at(1)
    location = begin(client, sound)
    reached.wait(60)
    folder = client.app.state.services.storage.results / location.rpartition("/")[2]
    assert sorted(os.listdir(folder)) == [".result.mp4.lock", "result.mp4.part", "sound-0"]
    assert client.delete(location).status_code == 204
    release.set()
    assert client.get(location).status_code == 404
    for _ in range(100):
        if not folder.exists():
            return
        time.sleep(0.05)
    raise AssertionError(os.listdir(folder))


def test_an_expired_film_is_gone(client, sound, stop_at):
    reached, release = stop_at(0)
    location = begin(client, sound)
    reached.wait(60)
    threading.Timer(0.05, release.set).start()
    client.post(f"{location}/cancel")
    storage = client.app.state.services.storage
    storage.discard(storage.results / location.rpartition("/")[2] / "result.mp4")
    for each in (location, f"{location}/result"):
        assert client.get(each).status_code == 410
    assert client.get("/v1/film/unknown").status_code == 404


def test_a_film_does_not_expire_while_it_is_sent(client, sound, monkeypatch):
    location = begin(client, sound)
    wait(client, location)
    storage = client.app.state.services.storage
    folder = storage.results / location.rpartition("/")[2]

    def check_range(wanted, size):
        """Let the time of the film be over just before it is sent."""
        check(wanted, size)
        for path in (folder / "result.mp4", folder):
            os.utime(path, (0, 0))
        storage.sweep()

    check = answer_files._check_range
    monkeypatch.setattr(answer_files, "_check_range", check_range)
    answer = client.get(f"{location}/result", headers={"Range": "bytes=0-"})
    assert (answer.status_code, len(answer.content)) == (206, int(answer.headers["content-length"]))
    for path in (folder / "result.mp4", folder):
        os.utime(path, (0, 0))
    storage.sweep()
    assert client.get(f"{location}/result").status_code == 410


def test_only_the_client_that_began_a_film_sees_it(client, done, monkeypatch):
    location, state = done
    monkeypatch.setattr(client.app.state.services.films._jobs[state["id"]], "client", "another")
    for method, each in (("GET", location), ("GET", f"{location}/result"), ("DELETE", location)):
        assert client.request(method, each).status_code == 404


def test_a_client_has_a_limited_number_of_films(client, sound, done, stop_at):
    _, release = stop_at(0)
    most = client.app.state.services.limits.max_films
    locations = [begin(client, sound) for _ in range(most - 1)]  # and the one that is done
    with sound.open("rb") as file:
        answer = client.post("/v1/film", files={"file": file}, data=SETTINGS)
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-films")
    assert client.get(locations[-1]).json()["position"] == most - 3
    client.delete(locations[-1])
    films = client.app.state.services.films
    job = films._jobs[done[1]["id"]]
    with films.place(job.client), sound.open("rb") as file:  # another request is being read
        assert client.post("/v1/film", files={"file": file}, data=SETTINGS).status_code == 429
    begin(client, sound)
    for job in client.app.state.services.films._jobs.values():
        job.ticket.cancel()
    release.set()


@pytest.mark.parametrize(
    ("data", "field", "detail"),
    [
        ({"fps": 1000}, "fps", "fps must give a film of at most 900 frames on this server; got 1000"),
        ({"hop": 1, "sync": "beat"}, "hop", "hop is for fixed windows"),
        ({"width": 4096, "height": 4096}, "width", "width must give an image of at most"),
        ({"mix": "1,2"}, None, "weights must be one for each recording, 1; got 2"),
    ],
)
def test_what_cannot_be_filmed_is_a_problem_at_once_and_leaves_nothing(client, sound, done, data, field, detail):
    with sound.open("rb") as file:
        answer = client.post("/v1/film", files={"file": file}, data={**SETTINGS, **data})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["detail"].startswith(detail)
    assert os.listdir(client.app.state.services.storage.results) == [done[1]["id"]]


def test_a_film_that_the_model_cannot_draw_says_why(client, sound):
    ended = wait(client, begin(client, sound, guidance_scale=3, negative="none"))
    assert ended["state"] == "failed"
    assert ended["problem"]["field"] == "guidance_scale"
