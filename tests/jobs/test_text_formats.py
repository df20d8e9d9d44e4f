"""Text formats of the listening verbs: what a file has of each recording."""

import csv
import io
import json

import pytest

from photism.errors import InputError
from photism.jobs.job import Outcome
from photism.jobs.outputs.text_format import with_columns
from photism.jobs.text_formats import label_format, transcript_format, turn_format
from photism.listening.diarization import Diarization
from photism.listening.segments import Segment
from photism.listening.transcription.transcript import Transcript, Word
from photism.listening.windowed_scores import Labels, ScoredWindow

SEGMENTS = (Segment(0, 1.5, "A dog, barking", 0.25),)
LABELS = Labels(0, 1.5, (ScoredWindow(0, 1.5, ({"label": "A dog, barking", "score": 0.25},)),), SEGMENTS, silent=False)
TRANSCRIPT = Transcript((Word("Hello", 0.1, 0.5, 0.9, ()), Word("you", 0.6, 0.75, 0.8, ())), 1.5)
ROW = {"file": "a b.wav", "start_s": 2.0, "end_s": 3.5, "speaker": "Ann", "tags": ["x", "y"], "id": "1"}


def text(text_format, result, name="a b"):
    return text_format.header + text_format.as_text(ROW, Outcome(0, {}, 1.5, result), name)


def test_labels():
    assert text(label_format("csv", with_times=False), LABELS) == (
        'file,start_s,end_s,label,score\na b.wav,0,1.5,"A dog, barking",0.25\n'
    )
    assert text(label_format("table", with_times=False), LABELS) == "a b.wav\n   0.25  A dog, barking\n"
    assert "0.00 –     1.50 s" in text(label_format("table", with_times=True), LABELS)
    assert text(label_format("audacity", with_times=False), LABELS) == "0.000000\t1.500000\tA dog, barking\n"


def test_turns():
    result = Diarization(0, 1.5, (Segment(0, 1.5, "Ann", 0.5),))
    assert text(turn_format("csv"), result) == "file,start_s,end_s,speaker,score\na b.wav,0,1.5,Ann,0.5\n"
    assert text(turn_format("rttm"), result) == "SPEAKER a_b 1 0.000 1.500 <NA> <NA> Ann <NA> <NA>\n"


def test_transcripts():
    assert text(transcript_format("csv", words=False), TRANSCRIPT) == ("file,duration_s,text\na b.wav,1.5,Hello you\n")
    assert text(transcript_format("csv", words=True), TRANSCRIPT) == (
        "file,start_s,end_s,word,confidence\na b.wav,0.1,0.5,Hello,0.9\na b.wav,0.6,0.75,you,0.8\n"
    )
    assert text(transcript_format("ctm", words=False), TRANSCRIPT).splitlines()[0] == "a_b 1 0.100 0.400 Hello 0.9000"
    assert text(transcript_format("txt", words=False), TRANSCRIPT) == "Hello you\n"


@pytest.mark.parametrize(
    "formats",
    [
        lambda name: label_format(name, with_times=False),
        turn_format,
        lambda name: transcript_format(name, words=False),
    ],
)
def test_json_has_the_whole_row(formats):
    for name in ("json", "jsonl"):
        chosen = formats(name)
        assert json.loads(text(chosen, None)) == ROW
        assert (chosen.suffix, chosen.is_list) == (f".{name}", name == "json")
    with pytest.raises(InputError, match=r"the format must be one of .*json.*; got xml"):
        formats("xml")


def test_formats_of_one_recording_are_not_joint():
    assert not label_format("audacity", with_times=False).is_joint
    assert [turn_format(name).is_joint for name in ("table", "csv", "rttm", "srt", "textgrid")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not any(transcript_format(name, words=False).is_joint for name in ("txt", "srt", "vtt", "tsv", "textgrid"))


def test_further_columns_of_csv():
    columns = {"speaker": "speaker", "tags": "tags", "gone": "gone", "score": "score", "segment_end_s": "end_s"}
    written = text(with_columns(label_format("csv", with_times=False), columns), LABELS)
    (row,) = csv.DictReader(io.StringIO(written))
    assert row == {
        "file": "a b.wav",
        "start_s": "0",
        "end_s": "1.5",
        "label": "A dog, barking",
        "score": "0.25",
        "speaker": "Ann",
        "tags": '["x", "y"]',
        "gone": "",
        "manifest_score": "",
        "segment_end_s": "3.5",
    }
