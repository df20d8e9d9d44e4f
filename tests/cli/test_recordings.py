"""Recordings of all verbs: standard input, pipes, URLs, and unreadable ones among readable ones."""

import json
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from photism.cli.app import app
from photism.listening.embeddings import load_embeddings
from photism.manifest.entry import Entry

SEEKS_BEFORE_THE_BEGINNING = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(37) + b"."  # ASF


@pytest.fixture(scope="module")
def verbs(models, ctc_checkpoints, tmp_path_factory):
    """The arguments of each verb that takes recordings, by its name."""
    from tests.support.classifiers import make_classifier
    from tests.support.speaker_models import make_speaker_model

    folder = tmp_path_factory.mktemp("verbs")
    speakers = {head: make_speaker_model(folder / head, head) for head in ("XVector", "AudioFrameClassification")}
    arguments = {
        "label": ["label", "--model", make_classifier(folder / "bert", "bert"), "--json"],
        "hear": ["hear", "--model", models / "sd", "--json"],
        "transcribe": ["transcribe", "--model", ctc_checkpoints / "w2v-bert", "--json"],
        "timeline": ["speakers", "timeline", "--model", speakers["AudioFrameClassification"], "--format", "json"],
        "embed": ["speakers", "embed", "--model", speakers["XVector"], "-o", "e.npz"],
        "enrol": ["speakers", "enrol", "Anna", "--model", speakers["XVector"], "-o", "e.npz"],
        "verify": ["speakers", "verify", "--model", speakers["XVector"], "--threshold", "0.5", "--json"],
        "draw": ["draw", "--model", models / "sd", "--steps", "1", "--json"],
        "film": ["film", "--model", models / "sd", "--steps", "1", "--fps", "2", "--json"],
    }
    return {verb: [*map(str, given)] for verb, given in arguments.items()}


@pytest.fixture
def run(verbs, tmp_path, monkeypatch):
    """Function that runs a verb in an empty folder, with bytes on standard input."""
    folder = tmp_path / "current"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(verb, *arguments, stdin=b""):
        return CliRunner().invoke(app, [*verbs[verb], *map(str, arguments)], input=stdin)

    return run


def names(result):
    return [json.loads(line)["file"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize("verb", ["label", "hear", "transcribe", "timeline", "draw"])
def test_good_recordings_are_processed_next_to_bad_ones_and_standard_input(run, sounds, tmp_path, verb):
    bad = tmp_path / os.fsdecode(b"b\xe9d.asf")
    bad.write_bytes(SEEKS_BEFORE_THE_BEGINNING)
    result = run(verb, sounds[0], bad, "-", sounds[1], stdin=sounds[2].read_bytes())
    assert result.exit_code == 2, result.output
    assert names(result) == [str(sounds[0]), "-", str(sounds[1])]
    assert result.stderr.endswith("photism: 3 of 4 recordings were processed\n")
    assert "d.asf: not an audio or video file" in result.stderr
    assert "- is given twice" in str(run(verb, "-", "-").exception)


def test_embeddings_of_good_recordings_are_stored(run, sounds, tmp_path):
    bad = tmp_path / "bad.asf"
    bad.write_bytes(SEEKS_BEFORE_THE_BEGINNING)
    for verb, stored in (("embed", {str(sounds[0]), "-"}), ("enrol", {str(sounds[0]), "-", "Anna"})):
        result = run(verb, sounds[0], bad, "-", stdin=sounds[2].read_bytes())
        assert result.exit_code == 2, result.output
        assert "photism: 2 of 3 recordings were processed" in result.stderr
        assert set(load_embeddings("e.npz")) == stored
    result = run("verify", "-", "--enrolled", "e.npz", stdin=sounds[2].read_bytes())
    best = json.loads(result.stdout.splitlines()[0])
    assert (best["file"], best["speaker"], best["score"]) == ("-", "-", pytest.approx(1))


def test_a_film_of_standard_input(run, sounds):
    result = run("film", "-", stdin=sounds[0].read_bytes())
    assert json.loads(result.stdout)["file"] == "stdin.mp4"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("verb", ["label", "timeline"])
def test_a_named_pipe_is_read_once_for_results_and_plot(run, sounds, verb):
    os.mkfifo("pipe.wav")
    writer = threading.Thread(target=lambda: Path("pipe.wav").write_bytes(sounds[0].read_bytes()))
    writer.start()
    result = run(verb, "pipe.wav", "--plot", "plot.png")
    writer.join(10)
    assert result.exit_code == 0, result.output
    assert os.path.getsize("plot.png") > 0


@contextmanager
def serving(data):
    """Yield the address of a server on the loopback device, and the paths that were requested from it."""
    requested = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", requested
        server.shutdown()
        thread.join()


def test_a_url_is_downloaded_once_if_its_address_is_allowed_and_shows_no_secret(run, sounds):
    with serving(sounds[0].read_bytes()) as (host, requested):
        url, shown = f"http://me:secret@{host}/a%20b.wav?token=secret", f"http://{host}/a%20b.wav?token=***"
        refused = run("label", url, "--plot", ".", "-o", ".")
        assert "private or link-local address; allow it by --allow-private-urls" in refused.stderr
        assert (refused.exit_code, requested) == (2, [])
        allowed = run("label", url, "--plot", ".", "-o", ".", "--allow-private-urls")
        assert allowed.exit_code == 0, allowed.output
        assert requested == ["/a%20b.wav?token=secret"]
        assert json.loads(Path("a b.jsonl").read_text())["file"] == shown
        assert sorted(os.listdir()) == ["a b.jsonl", "a b.png"]
        embedded = run("embed", url, "--allow-private-urls")
        assert embedded.exit_code == 0
        assert set(load_embeddings("e.npz")) == {shown}
        assert not any("secret" in result.output for result in (refused, allowed, embedded))


def test_memory_of_what_was_read_is_freed(run, sounds, monkeypatch):
    opened, sound = [], Entry.sound
    monkeypatch.setattr(Entry, "sound", lambda *given: opened.append(sound(*given)) or opened[-1])
    run("label", "-", stdin=sounds[0].read_bytes())
    assert [file._held for file in opened] == [None]
