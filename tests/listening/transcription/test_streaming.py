"""Streaming: final words do not change, and are those of the windows by definition."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from photism import InputError, Transcriber, Waveform
from photism.listening.transcription.decoding_options import DecodingSettings, StreamingSettings
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.streaming import StreamUpdate
from photism.listening.transcription.transcript import Word, tokens_to_words
from photism.settings import SettingError

STEP_S, LOOKAHEAD_S, CONTEXT_S = 1.0, 0.5, 2.0
STREAMING = StreamingSettings(step_s=STEP_S, lookahead_s=LOOKAHEAD_S, context_s=CONTEXT_S)


@pytest.fixture(scope="module")
def transcribers(ctc_checkpoints):
    return {
        kind: Transcriber.from_pretrained(ctc_checkpoints / kind) for kind in ("w2v-bert", "w2v-bert-adapter", "xlsr")
    }


@pytest.fixture(scope="module")
def recording(speech):
    noise = 0.05 * np.random.default_rng(1).standard_normal(16_000 * 7).astype(np.float32)
    return np.concatenate([noise, speech, noise[:50_123]])


def feed(stream, samples, sizes):
    """Feed samples in blocks of some sizes, and return the updates, that of the end included."""
    updates, start = [], 0
    sizes = iter(sizes)
    while start < len(samples):
        size = next(sizes)
        updates.append(stream.feed(samples[start : start + size]))
        start += size
    return [*updates, stream.finish()]


def words_of_windows(transcriber, samples):
    """Return the words of the windows by their definition, each encoded as a recording of its own."""
    model = transcriber.acoustic_model
    hop, field, frame_s = model.hop_samples, model.receptive_samples, model.frame_s
    step, lookahead, context = (round(each / frame_s) for each in (STEP_S, LOOKAHEAD_S, CONTEXT_S))
    frames = (len(samples) - field) // hop + 1
    kept, done = [], 0
    while done < frames:
        is_last = done + step + lookahead > frames
        stop = frames if is_last else done + step + lookahead
        start = max(0, done - context)
        waveform = Waveform(samples[start * hop : (stop - 1) * hop + field])
        emitted = model.emit([waveform])[0].log_probs[done - start :]
        kept.append(emitted if is_last else emitted[:step])
        done = stop if is_last else done + step
    log_probs = np.concatenate(kept)
    return tokens_to_words(best_path(log_probs, model.vocabulary), log_probs, model.vocabulary, frame_s=frame_s)


@pytest.mark.parametrize("kind", ["w2v-bert", "w2v-bert-adapter", "xlsr"])
def test_the_final_words_are_those_of_the_windows(transcribers, recording, kind):
    transcriber = transcribers[kind]
    stream = transcriber.stream(STREAMING)
    updates = feed(stream, recording, iter(lambda: 3000, None))
    final = [word for update in updates for word in update.final]
    expected = words_of_windows(transcriber, recording)
    assert [(word.text, word.start_s, word.end_s) for word in final] == [
        (word.text, pytest.approx(word.start_s), pytest.approx(word.end_s)) for word in expected
    ]
    assert len(expected) > 3
    assert stream.transcript.words == tuple(final)
    assert stream.transcript.duration_s == pytest.approx(len(recording) / 16_000, abs=1e-3)


@pytest.mark.parametrize("rate", [0, -16_000, 999, 768_001, math.nan])
def test_a_sampling_rate_is_one_of_a_recording(rate):
    with pytest.raises(SettingError, match="sampling_rate must be at least 1000 and at most 768000; got"):
        StreamingSettings(sampling_rate=rate)


@pytest.mark.parametrize(("kind", "rate"), [("w2v-bert", None), ("xlsr", None), ("xlsr", 48_000)])
def test_missing_samples_make_the_next_window_due(transcribers, recording, kind, rate):
    stream = transcribers[kind].stream(replace(STREAMING, sampling_rate=rate))
    samples = np.repeat(recording, (rate or 16_000) // 16_000)
    windows = [0]
    for _ in range(3):
        due = stream.missing_samples
        stream.feed(samples[: due - 1])
        assert stream.transcript.windows == windows[-1]
        stream.feed(samples[due - 1 : due])
        samples = samples[due:]
        windows.append(stream.transcript.windows)
    if rate is None:  # a resampler holds some samples back
        assert windows == [0, 1, 2, 3]


def test_an_update_as_json():
    word = Word("ICE", 1.00049, 1.5, 0.9, ())
    assert StreamUpdate((word,), (word, word)).as_dict() == {
        "final": [{"text": "ICE", "start_s": 1.0}],
        "partial": "ICE ICE",
    }


def test_the_size_of_the_blocks_changes_nothing(transcribers, recording):
    whole = transcribers["w2v-bert"].stream(STREAMING)
    feed(whole, recording, iter([len(recording)]))
    blocks = transcribers["w2v-bert"].stream(STREAMING)
    feed(blocks, recording, iter(np.random.default_rng(0).integers(1, 20_000, 1000).tolist()))
    assert whole.transcript == blocks.transcript


@pytest.mark.parametrize("decoding", [DecodingSettings(), DecodingSettings(beams=4)])
def test_partial_words_come_first_and_final_ones_once(transcribers, recording, decoding):
    stream = transcribers["w2v-bert"].stream(STREAMING, decoding)
    updates = feed(stream, recording, iter(lambda: 4000, None))
    assert any(update.partial for update in updates)
    assert updates[-1].partial == ()
    ends = [word.end_s for update in updates for word in update.final]
    assert ends == sorted(ends)
    for before, update in itertools.pairwise(updates):
        if before.partial and update.partial and not update.final:
            assert update.partial[0].start_s == before.partial[0].start_s


def test_frames_are_final_after_the_stated_delay(transcribers, recording):
    stream = transcribers["xlsr"].stream(STREAMING)
    assert stream.delay_s == 1.5
    fed_s = 0.0
    for start in range(0, len(recording), 1600):
        update = stream.feed(recording[start : start + 1600])
        fed_s += 0.1
        if update.partial:
            assert update.partial[-1].end_s <= fed_s
        done_s = stream._done * transcribers["xlsr"].acoustic_model.frame_s
        assert fed_s - done_s <= stream.delay_s + 0.1


def test_silence_does_not_accumulate(transcribers):
    transcriber = transcribers["w2v-bert"]
    model = transcriber.acoustic_model

    def emit(waveforms):
        frames = 1 + (len(waveforms[0].samples) - model.receptive_samples) // model.hop_samples
        from photism.listening.transcription.emissions import Emissions

        return [Emissions(model._silence(frames), 1)]

    stream = transcriber.stream(STREAMING)
    stream._model = type("Silent", (), {**{n: getattr(model, n) for n in NAMES}, "emit": staticmethod(emit)})
    for _ in range(30):
        stream.feed(np.zeros(16_000, np.float32))
    assert len(stream._final._open) == 0
    assert len(stream._samples) < 16_000 * (STEP_S + LOOKAHEAD_S + CONTEXT_S + 1)
    assert stream.finish() == ((), ())


def test_a_stream_without_sound_has_no_words(transcribers):
    stream = transcribers["xlsr"].stream(STREAMING)
    dither = (np.random.default_rng(0).triangular(-1, 0, 1, 64_000) / 2**15).astype(np.float32)
    assert stream.feed(dither) == ((), ())
    assert stream.finish() == ((), ())


NAMES = ("frame_s", "hop_samples", "receptive_samples", "vocabulary")


def test_another_sampling_rate_is_resampled(transcribers, recording):
    stream = transcribers["w2v-bert"].stream(StreamingSettings(step_s=1.0, sampling_rate=48_000))
    feed(stream, np.repeat(recording, 3), iter(lambda: 9000, None))
    assert stream.transcript.duration_s == pytest.approx(len(recording) / 16_000, abs=0.01)
    assert stream.transcript.words


def test_less_than_a_frame_has_no_words(transcribers):
    stream = transcribers["xlsr"].stream()
    assert stream.feed(np.zeros(100, np.float32)) == ((), ())
    assert stream.finish() == ((), ())
    assert stream.transcript.text == ""


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 10), np.float32), r"samples must be \(T,\) floats within ±1"),
        (np.zeros(10, np.int16), r"samples must be \(T,\) floats within ±1"),
        (np.array([0.0, np.nan]), "samples must be finite"),
    ],
)
def test_samples_of_another_kind_are_an_error(transcribers, samples, message):
    with pytest.raises(InputError, match=message):
        transcribers["xlsr"].stream().feed(samples)
