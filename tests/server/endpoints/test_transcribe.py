"""/v1/transcribe: the results of photism transcribe, over HTTP, and the words of a stream of events."""

import json

import pytest

from photism import Transcriber, load_waveform
from photism.audio.writing import write_waveform
from photism.hub import bundled_model
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.listening.transcription.reference_text import ReferenceText

ELEPHANT = bundled_model() / "examples" / "elephant.en.ogg"
TEXT = "one two\nthree\n"


@pytest.fixture(scope="module")
def transcriber(server_entries):
    model = next(entry.settings.model for entry in server_entries if entry.kind == "recognizer")
    return Transcriber.from_pretrained(model, device="cpu")


@pytest.fixture(scope="module")
def elephants(tmp_path_factory):
    """Return a recording of several windows of 1 s: the word three times."""
    import numpy as np

    path = tmp_path_factory.mktemp("long") / "elephants.wav"
    write_waveform(np.tile(load_waveform(ELEPHANT).samples, 3), path, sampling_rate=16_000, title="", about={})
    return path


def post(client, path=ELEPHANT, *, accept=None, transcript=None, **data):
    files = {"file": (path.name, path.read_bytes())}
    files |= {} if transcript is None else {"transcript": ("text.txt", transcript)}
    return client.post("/v1/transcribe", files=files, data=data, headers={"Accept": accept} if accept else {})


def events_of(response):
    assert response.status_code == 200, response.text
    blocks = [block.splitlines() for block in response.text.split("\n\n") if block]
    return [(lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))) for lines in blocks]


def test_words_and_characters_are_those_of_the_transcriber(client, transcriber):
    expected = transcriber(ELEPHANT)
    assert expected.words
    assert post(client).json() == {"file": ELEPHANT.name, **expected.as_dict()}
    with_characters = post(client, words="true", beams=4).json()
    assert with_characters == {"file": ELEPHANT.name, **transcriber(ELEPHANT, beams=4).as_dict(characters=True)}


@pytest.mark.parametrize(
    ("accept", "format_"),
    [("text/vtt", "vtt"), ("application/x-subrip", "srt"), ("text/plain", "txt"), ("text/csv", "csv")],
)
def test_texts_are_those_of_the_command_line(client, transcriber, accept, format_):
    from photism.listening.transcription.formats import CSV_HEADERS, write_transcript

    written = write_transcript(transcriber(ELEPHANT), format_, words=True, file=ELEPHANT.name)
    header = CSV_HEADERS[True] if format_ == "csv" else ""
    answer = post(client, accept=accept, words="true")
    assert answer.text == header + written
    assert answer.headers["content-type"].startswith(accept)


def test_events_bring_words_window_by_window_and_then_the_transcript(client, transcriber, elephants):
    events = events_of(post(client, elephants, accept="text/event-stream", window=1))
    found = []
    expected = transcriber.transcribe_words(elephants, found.extend, TranscribeSettings(window_s=1.0))
    assert events[-1] == ("result", {"file": elephants.name, **expected.as_dict()})
    sent = [word for name, data in events if name == "words" for word in data["words"]]
    assert sent == [word.as_dict() for word in found] == expected.as_dict()["words"]
    assert sum(name == "words" for name, _ in events) > 1
    assert ("progress", {"done": 4, "total": 4}) in events


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_words_of_a_given_text_get_their_times(client, transcriber, accept):
    ((_, expected),) = transcriber.align_transcripts(ELEPHANT, [ReferenceText.of(TEXT)])
    answer = post(client, accept=accept, transcript=TEXT)
    row = answer.json() if accept == "application/json" else events_of(answer)[-1][1]
    assert row == {"file": ELEPHANT.name, **expected.as_dict()}
    assert [word["text"] for word in row["words"]] == ["one", "two", "three"]
    assert [cue["text"] for cue in row["cues"]] == ["one two", "three"]


def test_subtitles_keep_their_lines_and_get_new_times(client):
    subtitles = "1\n00:00:00,000 --> 00:00:09,000\none\ntwo\n"
    answer = post(client, transcript=subtitles, accept="application/x-subrip").text
    assert answer.startswith("1\n00:00:0")
    assert answer.endswith("\none\ntwo\n")
    assert "00:00:09" not in answer


@pytest.mark.parametrize(
    ("transcript", "data", "field", "words"),
    [
        ("...", {}, "transcript", "the transcript has no words"),
        (b"\xff\xfe\xff", {}, "transcript", "transcript is not a text in UTF-8"),
        ("one", {"hot_word": "two"}, "transcript", "is the text: omit beams, hot_word and lm_weight"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_before_the_recording_is_decoded(
    client, tmp_path, transcript, data, field, words
):
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(b"damaged")
    answer = post(client, damaged, transcript=transcript, **data)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert words in answer.json()["detail"]


def test_a_text_without_a_file_name_is_refused_with_words(client):
    answer = client.post("/v1/transcribe", files={"file": ELEPHANT.read_bytes()}, data={"transcript": "one"})
    assert answer.json()["detail"] == "transcript must be a text file; got 'one'"
