"""The stages of a job on Ray, without Ray."""

import numpy as np
import pytest

from photism.audio.sources import SoundFile
from photism.audio.waveform import load_waveform
from photism.audio.writing import write_waveform
from photism.errors import InputError
from photism.jobs import ray_stages
from photism.jobs.ray_stages import (
    Failure,
    Finished,
    Numbered,
    Processor,
    decode_short,
    decoded,
    finish,
    in_batches,
    pack,
    read_batches,
    unpack,
)
from photism.jobs.ray_worker import _fingerprint
from tests.support.level_job import LevelJob, write_noise


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    (folder / "broken.wav").write_text("no sound")
    return [*write_noise(folder, 3), folder / "broken.wav"]


@pytest.fixture
def batch(paths):
    return [Numbered(number, SoundFile(path)) for number, path in enumerate(paths, 10)]


def test_batches_grow_to_their_largest_size():
    assert [len(batch) for batch in in_batches(iter(range(16)), 4)] == [1, 2, 3, 4, 4, 2]


def test_recordings_are_decoded_once_and_those_that_cannot_be_pass(batch, paths):
    (part,) = [part for table in read_batches(pack(batch)) for part in unpack(table)]
    assert [number for number, _ in part] == [10, 11, 12, 13]
    for (_, sound), path in zip(part[:3], paths, strict=False):
        np.testing.assert_array_equal(sound.decoded.samples, load_waveform(path).samples)
        assert sound.source == path
    assert part[3].sound.decoded is None


def test_a_bug_in_a_reader_is_left_to_the_process_of_the_model(batch, monkeypatch):
    def fail(*_, **__):
        raise KeyError("bug")

    monkeypatch.setattr("photism.audio.streaming.stream_samples", fail)
    assert [sound.decoded for _, sound in next(decoded(batch))] == [None] * 4


def test_a_part_has_a_limited_duration(batch, monkeypatch):
    monkeypatch.setattr(ray_stages, "BATCH_S", 0.15)
    assert [[number for number, _ in part] for part in decoded(batch)] == [[10, 11], [12, 13]]


@pytest.mark.parametrize("segment", [(0.0, None), (0.0, 0.09)])
def test_a_long_recording_is_left_to_the_process_of_the_model(paths, monkeypatch, segment):
    monkeypatch.setattr(ray_stages, "SHIPPED_S", 0.08)
    assert decode_short(SoundFile(paths[0], start_s=segment[0], end_s=segment[1])) is None
    short = decode_short(SoundFile(paths[0], start_s=0.02, end_s=0.05))
    np.testing.assert_array_equal(short.samples, load_waveform(paths[0]).samples[320:800])


def test_outcomes_and_errors_have_the_numbers_of_the_job(batch, paths, tmp_path):
    silent = tmp_path / "silent.wav"
    write_waveform(np.zeros(1600, np.float32), silent, sampling_rate=16_000, title="", about={})
    finished = finish([*batch, Numbered(14, SoundFile(silent))], LevelJob().load())
    assert [each.number for each in finished] == [10, 11, 12, 13, 14]
    assert finished[0].result.fields["sum"] == pytest.approx(np.abs(load_waveform(paths[0]).samples).sum())
    assert isinstance(finished[3].result, InputError)
    assert [str(each) for each in finished[0].warnings] == [f"{silent}: silent"]
    assert pack(finished).num_rows == 1


def run_processor(job, batch, fingerprint="0123456789abcdef"):
    (answer,) = unpack(Processor(job, fingerprint, 1)(pack(batch)))
    return answer


def test_a_processor_returns_what_is_finished(batch):
    assert all(isinstance(each, Finished) for each in run_processor(LevelJob(), batch))


@pytest.mark.parametrize(
    ("job", "fingerprint", "kind", "words"),
    [
        (LevelJob(buggy="0001"), "0123456789abcdef", KeyError, "bug"),
        (LevelJob(unloadable=True), "0123456789abcdef", InputError, "no such model"),
        (LevelJob(), "another", InputError, "different weights"),
    ],
)
def test_what_ends_the_job_comes_back_as_the_error_that_it_is(batch, job, fingerprint, kind, words):
    answer = run_processor(job, batch, fingerprint)
    assert isinstance(answer, Failure)
    assert type(answer.error) is kind
    assert words in str(answer.error)


class UnportableError(Exception):
    """An error that cannot be pickled and unpickled, as those of some libraries."""

    def __init__(self, what, why):
        super().__init__(f"{what} {why}")


def test_an_error_that_cannot_be_passed_on_keeps_its_type_and_words(batch, monkeypatch):
    def fail(_):
        raise UnportableError("a layer", "is missing")

    monkeypatch.setattr(LevelJob, "load", fail)
    answer = run_processor(LevelJob(), batch)
    assert repr(answer.error) == "RuntimeError('UnportableError: a layer is missing')"
    assert repr(_fingerprint(LevelJob())) == f"Failure(error={answer.error!r})"
