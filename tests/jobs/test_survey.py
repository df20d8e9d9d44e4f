"""Names of the files that are written for recordings, and the columns of their manifests."""

import pytest

from photism.jobs.survey import Survey, survey_for
from photism.manifest.entry import Entry


def listed(*names, **fields):
    return [Entry(f"/{number}/{name}", "1", name, **fields) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        (listed("a/1.wav", "b/1.wav", "c"), ["a/1", "b/1", "c"]),
        (listed("a/1.wav", "a/1.mp3", "a/1.5.wav"), ["a/1.wav", "a/1.mp3", "a/1.5"]),
        (listed("a.wav", start_s=1.5) + listed("a.wav", start_s=1.5, end_s=4), ["a_1500-end", "a_1500-4000"]),
        (listed("caf\udce9.wav", "x.tar/key.wav"), ["caf\udce9", "x.tar/key"]),
        ([], []),
    ],
)
@pytest.mark.parametrize("turned", [1, -1])
def test_each_recording_has_a_name_of_its_own(entries, names, turned):
    survey = Survey(entries[::turned])
    assert [survey.name_of(entry) for entry in entries] == names


def test_recordings_of_one_name_have_a_part_of_their_key():
    entries = listed("1.wav", "1.wav", "1.mp3", "2.wav")
    names = [Survey(entries).name_of(entry) for entry in entries]
    assert names == [f"1.wav-{entries[0].key[:8]}", f"1.wav-{entries[1].key[:8]}", "1.mp3", "2"]
    # The version is no part of it: the file of a recording that changed is replaced.
    changed = Entry(entries[0].location, "2", "1.wav")
    assert Survey([changed, *entries[1:]]).name_of(changed) == names[0]
    entries = listed("1.wav", "1.mp3", "1.wav.ogg")
    names = [Survey(entries).name_of(entry) for entry in entries]
    assert names == [f"1.wav-{entries[0].key[:8]}", "1.mp3", "1.wav"]


def test_names_that_are_too_long_for_a_file_system_end_in_a_digest():
    entries = listed("é" * 140 + "1.wav", "é" * 140 + "2.wav", "\udcff" * 100 + ".wav", "x" * 200 + ".wav")
    names = [Survey(entries).name_of(entry) for entry in entries]
    assert len(set(names)) == 4
    assert all(len(name.encode()) <= 200 for name in names)
    assert names[0].startswith("é" * 91 + "-")
    assert names[3] == "x" * 200


def test_the_columns_of_all_manifests_are_known():
    survey = Survey([*listed("1.wav", columns={"split": "train"}), *listed("2.wav", columns={"text": "a", "split": 1})])
    assert (survey.columns, survey.has_segments) == (("split", "text"), False)
    assert survey.csv_columns({"text": str}) == {"split": "split", "manifest_text": "manifest_text"}
    assert Survey(listed("1.wav", end_s=1)).csv_columns({}) == {"segment_start_s": "start_s", "segment_end_s": "end_s"}


def test_recordings_are_listed_only_for_outputs_that_need_it(tmp_path):
    class Listed(list):
        count = 1

    class Shards(Listed):
        count = None

    entries = Listed(listed("1.wav", "2.wav", "1.mp3", columns={"a": 1}))
    assert survey_for("x.csv", None, entries).columns == ("a",)
    assert survey_for(None, "csv", entries).columns == ("a",)
    assert survey_for(None, "json", entries).columns == ()
    assert survey_for("x.jsonl", None, entries).columns == ()
    assert survey_for("out/", "srt", entries).name_of(entries[0]) == "1.wav"
    assert survey_for(tmp_path, "srt", Shards(entries)).name_of(entries[0]) == "1"
    iterator = iter(entries)
    assert survey_for("x.csv", None, iterator).columns == ()
    assert next(iterator) == entries[0]
