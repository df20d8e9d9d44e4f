"""/v1/format: results that may have been corrected, in the formats of the command line."""

import json

import pytest

from photism.listening import turn_formats
from photism.listening.diarization import Diarization
from photism.listening.segments import Segment
from photism.listening.transcription.formats import CSV_HEADERS, TRANSCRIPT_FORMATS, write_transcript
from photism.listening.transcription.transcript import Character, Transcript, Word
from photism.server.endpoints.format import LISTS


def word(text, start_s, end_s, confidence=0.9):
    step = (end_s - start_s) / len(text)
    characters = [
        Character(each, start_s + index * step, start_s + (index + 1) * step, confidence)
        for index, each in enumerate(text)
    ]
    return Word(text, start_s, end_s, confidence, tuple(characters))


WORDS = (word("Good", 0.5, 0.75), word("morning,", 1.0, 1.5, 0.5), word("friends", 3.0, 3.5))
TRANSCRIPT = Transcript(WORDS, 4.0)
TURNS = (Segment(0.5, 2.25, "Anna B", 0.75), Segment(2.0, 4.0, "Ben", 0.5))


def post(client, result, **data):
    text = result if isinstance(result, str | bytes) else json.dumps(result)
    return client.post("/v1/format", files={"result": ("result.json", text)}, data=data)


@pytest.mark.parametrize("per_word", [False, True])
@pytest.mark.parametrize("format_", TRANSCRIPT_FORMATS)
def test_a_transcript_is_written_as_the_command_writes_it(client, format_, per_word):
    result = {"file": "my talk.wav", **TRANSCRIPT.as_dict(characters=True)}
    answer = post(client, result, format=format_, words=str(per_word).lower())
    expected = write_transcript(TRANSCRIPT, format_, words=per_word, file="my talk.wav", name="my_talk")
    assert answer.status_code == 200, answer.text
    assert answer.text == (CSV_HEADERS[per_word] if format_ == "csv" else "") + expected


def test_words_of_a_script_without_spaces_break_within_lines_as_before(client):
    found = Transcript(
        (word("今天天气很好我们去公园散步然后回家吃饭看书睡觉", 0, 6), word("再见", 6.1, 6.5)), 7.0, separator=""
    )
    result = {"file": "a", **found.as_dict(characters=True)}
    assert post(client, result, format="srt").text == write_transcript(found, "srt")
    assert post(client, result, format="txt").text == f"{found.text}\n"


def test_corrected_words_need_no_characters(client):
    words = [each.as_dict() for each in WORDS[:2]]
    words[1]["text"] = "evening,"
    answer = post(client, {"duration_s": 4.0, "text": "Good evening,", "words": words}, format="srt")
    assert answer.text == "1\n00:00:00,500 --> 00:00:01,500\nGood evening,\n"
    assert answer.headers["content-type"].startswith("application/x-subrip")


def test_lines_of_given_subtitles_and_their_markup_stay(client):
    cues = [{"text": "Good\n<i>morning</i>", "start_s": 0.5, "end_s": 1.5}]
    answer = post(client, {**TRANSCRIPT.as_dict(), "cues": cues}, format="vtt")
    assert answer.text == "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nGood\n<i>morning</i>\n"


@pytest.mark.parametrize("format_", LISTS["turns"])
def test_named_speakers_are_written_as_the_command_writes_them(client, format_):
    found = Diarization(0, 4.0, TURNS)
    answer = post(client, {"file": "my talk.wav", **found.as_dict()}, format=format_)
    expected = turn_formats.format_turns("my talk.wav", found, format_, name="my_talk")
    assert answer.text == (turn_formats.CSV_HEADER if format_ == "csv" else "") + expected


def test_labels_become_a_table_or_a_label_track(client):
    segments = [{"start_s": 0, "end_s": 1.5, "label": "A dog.", "score": 0.25}]
    assert (
        post(client, {"file": "a.wav", "segments": segments}, format="audacity").text == "0.000000\t1.500000\tA dog.\n"
    )
    answer = post(client, {"file": "a.wav", "segments": segments}, format="csv")
    assert answer.text == "file,start_s,end_s,label,score\na.wav,0,1.5,A dog.,0.25\n"


@pytest.mark.parametrize(
    ("result", "format_", "field", "problem"),
    [
        ("{", "srt", "result", "it is not valid JSON"),
        ("[]", "srt", "result", "it must be a JSON object"),
        (b"\xff", "srt", "result", "is not a text in UTF-8"),
        ({}, "srt", "result", "it must have one of words, turns, segments"),
        ({"words": [], "turns": []}, "srt", "result", "it must have one of words, turns, segments"),
        ({"words": {}}, "srt", "result", "words must be a list"),
        ({"words": [1]}, "srt", "result", "words[0] must be an object"),
        ({"words": [{"text": " ", "start_s": 0, "end_s": 1}]}, "srt", "result", "words[0].text must be a text"),
        ({"words": [{"text": "a", "start_s": 0}]}, "srt", "result", "words[0].end_s must be a number"),
        (
            {"words": [{"text": "a", "start_s": 0, "end_s": 10**400}]},
            "srt",
            "result",
            "must be a number, at most 1e+09",
        ),
        ({"words": [{"text": "a", "start_s": 2, "end_s": 1}]}, "srt", "result", "must be at least start_s"),
        (
            {"turns": [{"speaker": "a", "start_s": True, "end_s": 1}]},
            "csv",
            "result",
            "turns[0].start_s must be a number",
        ),
        (
            {"turns": [{"speaker": "a", "start_s": start_s, "end_s": 3} for start_s in (2, 1)]},
            "csv",
            "result",
            "turns[1] starts before the one ahead of it",
        ),
        ({"turns": [{"speaker": "\ud800", "start_s": 0, "end_s": 1}]}, "csv", "result", "must be valid Unicode"),
        ({"turns": []}, "vtt", "format", "must be one of rttm, json, csv, srt, textgrid for turns; got vtt"),
        ({"segments": []}, "doc", "format", "must be one of"),
    ],
)
def test_what_cannot_be_written_is_named(client, result, format_, field, problem):
    answer = post(client, result, format=format_)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert problem in answer.json()["detail"]


@pytest.mark.parametrize(
    ("result", "format_", "allowed"),
    [
        ({"turns": []}, "vtt", "one of rttm, json, csv, srt, textgrid"),
        ({"segments": []}, "srt", "one of csv, audacity"),
        ({}, "srt", "a JSON object with one of words, turns, segments"),
        ({"words": [1]}, "srt", "a JSON object with one of words, turns, segments"),
        ("{", "srt", "a JSON object with one of words, turns, segments"),
    ],
)
def test_a_problem_says_what_the_field_may_be_with_the_other_one(client, result, format_, allowed):
    assert post(client, result, format=format_).json()["allowed"] == allowed


@pytest.mark.slow
def test_a_transcript_of_an_hour_can_be_written(client):
    words = [word("elephant", index * 0.36, index * 0.36 + 0.3).as_dict() for index in range(10_000)]
    answer = post(client, {"duration_s": 3600, "words": words}, format="srt")
    assert answer.status_code == 200
    assert answer.text.count("elephant") == 10_000
