import csv
import io
import json
import shutil

import numpy as np
import pytest

from photism import InputError
from photism.audio.writing import write_waveform
from photism.collection.acoustic_similarity import correlation, log_mel_energies, signature
from photism.collection.duplicate_formats import format_duplicates
from photism.collection.duplicates import find_duplicates
from tests.collection.conftest import unit_vectors, write_table

RATE = 16_000


def babble(seed, duration_s=1.5):
    """Return noise whose loudness and pitch change every 80 ms, as in speech."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(RATE * duration_s)) / RATE
    knots = np.arange(0, duration_s + 0.08, 0.08)
    pitch = np.interp(time, knots, generator.uniform(200, 2500, len(knots)))
    loudness = np.interp(time, knots, generator.uniform(0, 0.4, len(knots)) ** 2 * 4)
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    return (loudness * (tone + 0.1 * generator.standard_normal(len(time)))).astype(np.float32) * 0.5


def save(path, samples):
    write_waveform(samples, path, sampling_rate=RATE, title="", about={})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Copies of one word, the word in another voice, and another thing."""
    path, word = tmp_path_factory.mktemp("sounds"), babble(0)
    save(path / "word.wav", word)
    shutil.copy(path / "word.wav", path / "copy of word.wav")
    save(path / "word.mp3", word)
    save(path / "quiet.wav", 0.2 * word)
    save(path / "trimmed.wav", word[1120:])
    save(path / "other voice.wav", babble(1))
    save(path / "other thing.wav", babble(2))
    return path


NAMES = ["copy of word.wav", "word.wav", "word.mp3", "quiet.wav", "trimmed.wav", "other voice.wav", "other thing.wav"]


def table_of(path, folder, names, vectors, **columns):
    durations = [1.43 if name == "trimmed.wav" else 1.5 for name in names]
    locations = [str(folder / name) for name in names]
    return write_table(path / "sounds.lance", vectors, location=locations, duration_s=durations, **columns)


@pytest.fixture(scope="module")
def table(tmp_path_factory, folder):
    """The model distinguishes the other thing from all the others only."""
    word, other = unit_vectors(2, 16, seed=5)
    return table_of(tmp_path_factory.mktemp("table"), folder, NAMES, [*[word] * 6, other])


def names_of(group):
    return [
        group.keep.location.rsplit("/", 1)[1],
        *(each.found.location.rsplit("/", 1)[1] for each in group.duplicates),
    ]


def test_copies_are_found_and_another_voice_is_none(table):
    (group,) = find_duplicates(table)

    assert names_of(group) == ["copy of word.wav", "quiet.wav", "word.wav", "word.mp3", "trimmed.wav"]
    by_name = dict(zip(names_of(group)[1:], group.duplicates, strict=True))
    assert [name for name, each in by_name.items() if each.is_identical] == ["word.wav"]
    assert all(each.found.score >= 0.93 for each in group.duplicates)


def test_vectors_alone_group_what_the_model_does_not_distinguish(table):
    (group,) = find_duplicates(table, by_vectors=True)

    assert "other voice.wav" in names_of(group)
    assert "other thing.wav" not in names_of(group)
    assert all(each.found.score == pytest.approx(1) for each in group.duplicates)


def test_a_condition_restricts_what_is_compared(table):
    (group,) = find_duplicates(table, where="location LIKE '%.wav' AND duration_s > 1.45")

    assert names_of(group) == ["copy of word.wav", "quiet.wav", "word.wav"]


def test_blocks_of_any_size_give_the_same(table, monkeypatch):
    names = list(map(names_of, find_duplicates(table)))
    monkeypatch.setattr("photism.collection.duplicates.BLOCK_VALUES", 1)
    monkeypatch.setattr("photism.collection.duplicates.MIN_BLOCK_ROWS", 2)

    assert list(map(names_of, find_duplicates(table))) == names


def test_an_unreadable_recording_is_reported_once(tmp_path, folder):
    word = unit_vectors(1, 16)[0]
    names = ["gone.wav", *NAMES[:3]]
    table = table_of(tmp_path, folder, names, [word] * 4)
    errors = []

    (group,) = find_duplicates(table, on_error=errors.append)

    assert names_of(group) == ["copy of word.wav", "word.wav", "word.mp3"]
    assert [str(error).rsplit("/", 1)[1] for error in errors] == ["gone.wav: no such file"]
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        find_duplicates(table)


def test_windows_that_follow_each_other_are_one_segment(tmp_path):
    """The second recording has what the first has from 2 to 6 s at 1 s; windows of 2 s every second."""
    first = babble(7, 8.0)
    second = np.concatenate([babble(8, 1.0), first[2 * RATE : 6 * RATE], babble(9, 2.0)])
    save(tmp_path / "long.wav", first)
    save(tmp_path / "short.wav", second)
    starts = [(name, start) for name, count in (("long.wav", 7), ("short.wav", 6)) for start in range(count)]
    table = write_table(
        tmp_path / "sounds.lance",
        unit_vectors(13, 64),
        location=[str(tmp_path / name) for name, _ in starts],
        start_s=[float(start) for _, start in starts],
        end_s=[start + 2.0 for _, start in starts],
        duration_s=[8.0] * 7 + [7.0] * 6,
    )

    (group,) = find_duplicates(table)

    (duplicate,) = group.duplicates
    assert (group.keep.start_s, group.keep.end_s) == (2, 6)
    assert (duplicate.found.start_s, duplicate.found.end_s) == (1, 5)
    assert not duplicate.is_identical


def test_correlation_does_not_depend_on_loudness_and_falls_for_other_sounds():
    word, other = babble(0), babble(1)
    one, quiet, shifted = (log_mel_energies(each) for each in (word, 0.01 * word, np.roll(word, 800)[800:]))

    assert correlation(one, quiet) == pytest.approx(1, abs=1e-3)
    assert correlation(one, shifted) > 0.95
    assert correlation(one, log_mel_energies(other)) < 0.8
    assert correlation(one, one[: len(one) // 2]) == 0


def test_silent_recordings_are_like_each_other_and_like_no_other():
    silence, word = (log_mel_energies(each) for each in (np.zeros(RATE, np.float32), babble(0, 1.0)))

    assert correlation(silence, silence) == pytest.approx(1)
    assert abs(correlation(silence, word)) < 0.1
    assert signature(silence) @ signature(silence) == pytest.approx(1)


def test_silence_around_a_recording_does_not_matter():
    word = babble(0)
    padded = np.concatenate([np.zeros(9600, np.float32), word, np.zeros(4800, np.float32)])

    assert correlation(log_mel_energies(word), log_mel_energies(padded)) == pytest.approx(1, abs=0.02)


def test_formats(table):
    groups = find_duplicates(table)

    text = format_duplicates(groups, "table").splitlines()
    assert text[0].split("  ")[0].strip() == "keep"
    assert any(line.startswith("identical") and line.endswith("/word.wav") for line in text)
    assert text[-1] == "4 duplicates of 1 recording"
    (fields,) = map(json.loads, format_duplicates(groups, "json").splitlines())
    assert fields["keep"]["file"].endswith("copy of word.wav")
    assert {each["identical"] for each in fields["duplicates"]} == {True, False}
    rows = list(csv.DictReader(io.StringIO(format_duplicates(groups, "csv"))))
    assert [row["keep"] for row in rows] == ["yes", "no", "no", "no", "no"]
    assert {row["group"] for row in rows} == {"1"}
    assert format_duplicates([], "table") == "no near-duplicates\n"


def test_files_that_changed_meanwhile_are_compared_again(folder, tmp_path):
    for name in ("word.wav", "copy of word.wav"):
        shutil.copy(folder / name, tmp_path)
    table = table_of(tmp_path, tmp_path, ["word.wav", "copy of word.wav"], [*unit_vectors(1, 16, seed=5)] * 2)

    def is_identical():
        (group,) = find_duplicates(table, by_vectors=True)
        return group.duplicates[0].is_identical

    assert is_identical()
    damaged = bytearray((tmp_path / "word.wav").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "word.wav").write_bytes(damaged)
    assert not is_identical()
