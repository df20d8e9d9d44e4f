import io
from pathlib import Path

import numpy as np
import pytest
import torch

from photism import InputError, load_waveform
from photism.listening.batching import decoded, in_batches, is_single, several

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


def test_one_recording_is_told_from_several(wav):
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
        yield {"array": samples, "sampling_rate": 16000}
        yield {"bytes": wav.read_bytes(), "path": None}
        yield {"audio": {"bytes": None, "path": str(wav)}, "text": "a tone"}

    for workers in (0, 3):
        found = list(decoded(kinds(), num_workers=workers))
        assert [number for number, _ in found] == list(range(13))
        for _, waveform in found:
            np.testing.assert_array_equal(waveform.samples, samples)


def test_arrays_without_a_rate_have_the_one_that_is_given():
    ((_, waveform),) = decoded([TONE], sampling_rate=8000)
    assert waveform.duration_s == 1


def test_a_data_set_is_read_without_being_decoded_by_its_library(wav):
    import datasets

    rows = datasets.Dataset.from_dict({"sound": [str(wav)] * 3, "audio": [str(wav)] * 3})
    rows = rows.cast_column("audio", datasets.Audio())
    found = [waveform.samples for _, waveform in decoded(rows)]
    assert len(found) == 3
    np.testing.assert_array_equal(found[2], load_waveform(wav).samples)


def test_what_torchcodec_decoded_is_taken():
    class Samples:
        data, sample_rate = torch.from_numpy(TONE)[None], 8000

    class Decoder:
        def get_all_samples(self):
            return Samples

    ((_, waveform),) = decoded([{"audio": Decoder()}])
    assert waveform.duration_s == 1


def test_a_broken_recording_ends_it_or_is_left_out(wav):
    sounds = [wav, Path("gone.wav"), wav, b"no sound"]
    with pytest.raises(InputError, match=r"gone\.wav.*does not exist"):
        list(decoded(sounds))
    told = []
    found = list(decoded(sounds, on_error=lambda number, error: told.append((number, str(error)))))
    assert [number for number, _ in found] == [0, 2]
    assert [number for number, _ in told] == [1, 3]
    assert "does not exist" in told[0][1]
    with pytest.raises(InputError, match="num_workers must be 0 or more; got -1"):
        list(decoded(sounds, num_workers=-1))


def test_no_more_are_decoded_than_are_soon_wanted(wav):
    asked = []

    def sounds():
        for number in range(100):
            asked.append(number)
            yield wav

    stream = decoded(sounds(), num_workers=2)
    next(stream)
    assert len(asked) <= 4
    stream.close()


def test_batches_are_of_like_length_and_results_in_order():
    batches = []

    def compute(batch):
        batches.append(list(batch))
        return [-item for item in batch]

    items = [5, 1, 4, 1, 3, 9]
    assert list(in_batches(iter(items), compute, length=lambda item: item, batch_size=2)) == [-5, -1, -4, -1, -3, -9]
    assert batches == [[1, 1], [3, 4], [5, 9]]
    with pytest.raises(InputError, match="batch_size must be at least 1; got 0"):
        list(in_batches(items, compute, length=len, batch_size=0))


def test_a_batch_is_no_longer_than_may_be_nor_is_more_taken_than_it_takes():
    batches, taken = [], []

    def items():
        for item in (3, 50, 3, 4, 4, 2, 12) * 20:
            taken.append(item)
            yield item

    def compute(batch):
        batches.append(list(batch))
        return batch

    stream = in_batches(items(), compute, length=lambda item: item, batch_size=4, longest_batch=10, longest_group=80)
    next(stream)
    assert len(taken) == 8  # 8 times 10, and one more by the last of them
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


def test_long_items_wait_for_no_others():
    batches = []

    def compute(batch):
        batches.append(list(batch))
        return batch

    items = [5, 1, 4, 9, 1, 3, 2]
    found = in_batches(items, compute, length=lambda item: item, batch_size=2, longest_group=9)
    assert list(found) == items
    assert batches == [[1, 4], [5], [9], [1, 2], [3]]


def test_what_is_no_recording_at_all():
    assert list(several(b"sound")) == [b"sound"]
    assert several(["a.wav"]) == ["a.wav"]
    with pytest.raises(InputError, match="sounds must be a recording, or something to iterate over; got NoneType"):
        several(None)
    with pytest.raises(InputError, match="sounds must hold at least one recording; got none"):
        several([])
