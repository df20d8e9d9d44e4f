"""Decoding ahead and batching: order, errors, and how much is held in memory."""

import io
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from transformers.pipelines.pt_utils import KeyDataset

from photism import InputError, load_waveform
from photism.listening.batching import as_iterable, collect, decode_ahead, in_batches, is_single

TONE = np.sin(np.arange(8000) / 10).astype(np.float32)


@pytest.fixture
def wav(tmp_path):
    """A WAV file of half a second."""
    import wave

    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((TONE * 32767).astype("<i2").tobytes())
    return path


def test_one_recording_is_distinguished_from_several(wav):
    single = [wav, str(wav), wav.read_bytes(), io.BytesIO(), TONE, torch.zeros(400), load_waveform(wav)]
    single += [{"raw": TONE, "sampling_rate": 16000}, [0.0, 0.1], (np.float32(0), 1.0)]
    assert all(is_single(each) for each in single)
    assert not any(is_single(each) for each in [[], [wav], [TONE, TONE], (str(wav),), iter([wav]), [[0.0, 0.1]]])


def test_every_kind_of_recording_is_decoded_in_order(wav):
    samples = load_waveform(wav).samples

    def kinds():
        yield from (wav, str(wav), wav.read_bytes(), io.BytesIO(wav.read_bytes()), load_waveform(wav))
        yield from (samples, torch.from_numpy(samples), list(samples), np.stack([samples, samples]))
        yield {"raw": samples, "sampling_rate": 16000}
        yield {"array": samples, "sampling_rate": 16000, "path": "gone.wav"}
        yield {"bytes": wav.read_bytes(), "path": None}
        yield {"audio": {"bytes": None, "path": str(wav)}, "text": "a tone"}

    for workers in (0, 3):
        found = list(decode_ahead(kinds(), num_workers=workers))
        assert [number for number, _ in found] == list(range(13))
        for _, waveform in found:
            np.testing.assert_array_equal(waveform.samples, samples)


def test_arrays_without_a_sampling_rate_have_the_given_one():
    ((_, waveform),) = decode_ahead([TONE], sampling_rate=8000)
    assert waveform.duration_s == 1


def test_a_dataset_is_read_without_its_own_decoder(wav):
    import datasets

    rows = datasets.Dataset.from_dict({"sound": [str(wav)] * 3, "audio": [str(wav)] * 3})
    rows = rows.cast_column("audio", datasets.Audio())
    found = [waveform.samples for _, waveform in decode_ahead(rows)]
    assert len(found) == 3
    np.testing.assert_array_equal(found[2], load_waveform(wav).samples)
    for column in (rows["audio"], KeyDataset(rows, "audio")):
        assert [waveform.duration_s for _, waveform in decode_ahead(column)] == [0.5] * 3


def test_a_data_set_of_torch_is_read_by_index(wav):
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return wav

    assert not is_single(Rows())
    assert [waveform.duration_s for _, waveform in decode_ahead(Rows())] == [0.5] * 2


def test_results_have_the_form_of_the_recordings():
    assert collect(TONE, iter([7])) == 7
    assert collect([TONE, TONE], iter([7, 8])) == collect((TONE, TONE), iter([7, 8])) == [7, 8]
    results = iter([7])
    assert collect(iter([TONE]), results) is results


def test_audio_decoded_by_torchcodec_is_accepted():
    class Samples:
        data, sample_rate = torch.from_numpy(TONE)[None], 8000

    class Decoder:
        def get_all_samples(self):
            return Samples

    assert is_single(Decoder())
    for recordings in (Decoder(), [{"audio": Decoder()}]):
        ((_, waveform),) = decode_ahead(recordings)
        assert waveform.duration_s == 1


def test_audio_that_torchcodec_cannot_decode_is_skipped():
    class Decoder:
        def get_all_samples(self):
            raise RuntimeError("Could not push packet to decoder")

    skipped = []
    assert list(decode_ahead([Decoder()], on_error=lambda number, error: skipped.append(str(error)))) == []
    assert skipped == ["source (Decoder): cannot be decoded: Could not push packet to decoder"]


def test_an_unreadable_recording_is_an_error_or_is_skipped(wav):
    sounds = [wav, Path("gone.wav"), wav, b"no sound"]
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        list(decode_ahead(sounds))
    skipped = []
    found = list(decode_ahead(sounds, on_error=lambda number, error: skipped.append((number, str(error)))))
    assert [number for number, _ in found] == [0, 2]
    assert [number for number, _ in skipped] == [1, 3]
    assert "no such file" in skipped[0][1]


@pytest.mark.parametrize("workers", [0, 2])
def test_recordings_before_an_error_are_processed_first(wav, workers):
    """An error is raised in its place, whether decoding, the recordings or their iterator causes it."""

    def broken_iterator():
        yield wav
        yield wav
        raise OSError("the tape broke")

    for recordings, error in (([wav, wav, b"no sound", wav], InputError), (broken_iterator(), OSError)):
        waveforms = decode_ahead(recordings, num_workers=workers)
        results = in_batches(waveforms, lambda batch: batch, length=lambda item: 1, batch_size=4)
        assert [number for number, _ in (next(results), next(results))] == [0, 1]
        with pytest.raises(error):
            next(results)


def test_an_iterator_that_fails_is_not_skipped(wav):
    def broken_iterator():
        yield wav
        raise InputError("the list of recordings is damaged")

    results = decode_ahead(broken_iterator(), on_error=lambda number, error: None)
    next(results)
    with pytest.raises(InputError, match="list of recordings"):
        next(results)


def test_only_a_few_recordings_are_decoded_ahead(wav):
    asked = []

    def sounds():
        for number in range(100):
            asked.append(number)
            yield wav

    stream = decode_ahead(sounds(), num_workers=2)
    next(stream)
    assert len(asked) <= 4
    stream.close()


def test_batches_have_similar_lengths_and_results_keep_their_order():
    batches = []

    def compute(batch):
        batches.append(list(batch))
        return [-item for item in batch]

    items = [5, 1, 4, 1, 3, 9]
    assert list(in_batches(iter(items), compute, length=lambda item: item, batch_size=2)) == [-5, -1, -4, -1, -3, -9]
    assert batches == [[1, 1], [3, 4], [5, 9]]


def test_batches_and_groups_have_a_maximum_length():
    batches, taken = [], []

    def items():
        for item in (3, 50, 3, 4, 4, 2, 12) * 20:
            taken.append(item)
            yield item

    def compute(batch):
        batches.append(list(batch))
        return batch

    stream = in_batches(
        items(), compute, length=lambda item: item, batch_size=4, max_batch_length=10, max_group_length=80
    )
    next(stream)
    assert len(taken) == 8  # their total length first reaches 80 with the eighth
    assert list(stream) == taken[1:]
    assert len(taken) == 140
    assert all(len(batch) * max(batch) <= 10 or len(batch) == 1 for batch in batches)
    assert max(map(len, batches)) > 1


def test_results_stream_out_of_an_endless_source():
    def endless():
        while True:
            yield 1

    stream = in_batches(endless(), lambda batch: batch, length=lambda item: item, batch_size=4)
    assert [next(stream) for _ in range(100)] == [1] * 100


def test_a_group_ends_at_its_maximum_length():
    batches = []

    def compute(batch):
        batches.append(list(batch))
        return batch

    items = [5, 1, 4, 9, 1, 3, 2]
    found = in_batches(items, compute, length=lambda item: item, batch_size=2, max_group_length=9)
    assert list(found) == items
    assert batches == [[1, 4], [5], [9], [1, 2], [3]]


def test_a_column_of_a_dataframe_is_recordings_and_a_dataframe_is_an_error():
    frame = pandas.DataFrame({"file": ["a.wav", "b.wav"]})
    assert list(as_iterable(frame["file"])) == ["a.wav", "b.wav"]
    with pytest.raises(InputError, match=r"recordings is a DataFrame; give the column with the recordings, such as"):
        as_iterable(frame)


def test_an_input_that_is_no_recording_is_an_error():
    assert list(as_iterable(b"sound")) == [b"sound"]
    assert as_iterable(["a.wav"]) == ["a.wav"]
    with pytest.raises(InputError, match="recordings must be a recording or an iterable of recordings; got NoneType"):
        as_iterable(None)
    with pytest.raises(InputError, match="recordings must contain at least one recording; got an empty list"):
        as_iterable([])


def test_an_item_is_computed_before_the_next_is_taken_where_a_batch_is_one_item():
    taken = []
    stream = in_batches(map(taken.append, range(9)), lambda batch: batch, length=lambda item: 1, batch_size=1)
    for count in (1, 2, 3):
        next(stream)
        assert len(taken) == count
