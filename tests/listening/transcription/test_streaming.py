"""A recording in pieces: what is final stays, and is what its windows say."""

import itertools

import numpy as np
import pytest

from photism import InputError, Transcriber, Waveform
from photism.listening.transcription.decoding_options import Decoding
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.streaming import Streaming
from photism.listening.transcription.transcript import spell

STEP_S, LOOKAHEAD_S, CONTEXT_S = 1.0, 0.5, 2.0
STREAMING = Streaming(step_s=STEP_S, lookahead_s=LOOKAHEAD_S, context_s=CONTEXT_S)


@pytest.fixture(scope="module")
def transcribers(ctc_checkpoints):
    return {
        kind: Transcriber.from_pretrained(ctc_checkpoints / kind) for kind in ("w2v-bert", "w2v-bert-adapter", "xlsr")
    }


@pytest.fixture(scope="module")
def recording(speech):
    noise = 0.05 * np.random.default_rng(1).standard_normal(16_000 * 7).astype(np.float32)
    return np.concatenate([noise, speech, noise[:50_123]])


def fed(stream, samples, sizes):
    """What the stream says at each piece, and at the end."""
    told, start = [], 0
    sizes = iter(sizes)
    while start < len(samples):
        size = next(sizes)
        told.append(stream.feed(samples[start : start + size]))
        start += size
    return [*told, stream.finish()]


def of_windows(transcriber, samples):
    """The text of the log-probabilities of windows, each heard as a recording by itself, by their definition."""
    model = transcriber.acoustic_model
    hop, reach, frame_s = model.hop_samples, model.reach_samples, model.frame_s
    step, lookahead, context = (round(each / frame_s) for each in (STEP_S, LOOKAHEAD_S, CONTEXT_S))
    frames = (len(samples) - reach) // hop + 1
    kept, done = [], 0
    while done < frames:
        is_last = done + step + lookahead > frames
        stop = frames if is_last else done + step + lookahead
        start = max(0, done - context)
        waveform = Waveform(samples[start * hop : (stop - 1) * hop + reach])
        heard = model.hear([waveform])[0].log_probs[done - start :]
        kept.append(heard if is_last else heard[:step])
        done = stop if is_last else done + step
    log_probs = np.concatenate(kept)
    return spell(best_path(log_probs, model.vocabulary), log_probs, model.vocabulary, frame_s=frame_s)


@pytest.mark.parametrize("kind", ["w2v-bert", "w2v-bert-adapter", "xlsr"])
def test_the_final_text_is_that_of_its_windows(transcribers, recording, kind):
    transcriber = transcribers[kind]
    stream = transcriber.stream(STREAMING)
    told = fed(stream, recording, iter(lambda: 3000, None))
    final = [word for heard in told for word in heard.final]
    wanted = of_windows(transcriber, recording)
    assert [(word.text, word.start_s, word.end_s) for word in final] == [
        (word.text, pytest.approx(word.start_s), pytest.approx(word.end_s)) for word in wanted
    ]
    assert len(wanted) > 3
    assert stream.transcript.words == tuple(final)
    assert stream.transcript.duration_s == pytest.approx(len(recording) / 16_000, abs=1e-3)


def test_how_it_is_cut_up_changes_nothing(transcribers, recording):
    whole = transcribers["w2v-bert"].stream(STREAMING)
    fed(whole, recording, iter([len(recording)]))
    pieces = transcribers["w2v-bert"].stream(STREAMING)
    fed(pieces, recording, iter(np.random.default_rng(0).integers(1, 20_000, 1000).tolist()))
    assert whole.transcript == pieces.transcript


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(beams=4)])
def test_partial_words_come_first_and_final_ones_are_told_once(transcribers, recording, decoding):
    stream = transcribers["w2v-bert"].stream(STREAMING, decoding)
    told = fed(stream, recording, iter(lambda: 4000, None))
    assert any(heard.partial for heard in told)
    assert told[-1].partial == ()
    ends = [word.end_s for heard in told for word in heard.final]
    assert ends == sorted(ends)
    for before, heard in itertools.pairwise(told):
        if before.partial and heard.partial and not heard.final:
            assert heard.partial[0].start_s == before.partial[0].start_s


def test_a_word_is_heard_for_good_after_the_stated_delay(transcribers, recording):
    stream = transcribers["xlsr"].stream(STREAMING)
    assert stream.delay_s == 1.5
    fed_s = 0.0
    for start in range(0, len(recording), 1600):
        heard = stream.feed(recording[start : start + 1600])
        fed_s += 0.1
        if heard.partial:  # its words were not over when the last step was heard
            assert heard.partial[-1].end_s <= fed_s
        heard_for_good_s = stream._heard * transcribers["xlsr"].acoustic_model.frame_s
        assert fed_s - heard_for_good_s <= stream.delay_s + 0.1


def test_silence_is_not_held(transcribers):
    transcriber = transcribers["w2v-bert"]
    model = transcriber.acoustic_model

    def hear(waveforms):
        frames = 1 + (len(waveforms[0].samples) - model.reach_samples) // model.hop_samples
        from photism.listening.transcription.emissions import Emissions

        return [Emissions(model._silence(frames), 1)]

    stream = transcriber.stream(STREAMING)
    stream._model = type("Deaf", (), {**{n: getattr(model, n) for n in NAMES}, "hear": staticmethod(hear)})
    for _ in range(30):
        stream.feed(np.zeros(16_000, np.float32))
    assert len(stream._open) == 0
    assert len(stream._samples) < 16_000 * (STEP_S + LOOKAHEAD_S + CONTEXT_S + 1)
    assert stream.finish() == ((), ())


NAMES = ("frame_s", "hop_samples", "reach_samples", "vocabulary")


def test_another_rate_is_resampled(transcribers, recording):
    stream = transcribers["w2v-bert"].stream(Streaming(step_s=1.0, sampling_rate=48_000))
    fed(stream, np.repeat(recording, 3), iter(lambda: 9000, None))
    assert stream.transcript.duration_s == pytest.approx(len(recording) / 16_000, abs=0.01)
    assert stream.transcript.words


def test_less_than_a_frame_is_nothing(transcribers):
    stream = transcribers["xlsr"].stream()
    assert stream.feed(np.zeros(100, np.float32)) == ((), ())
    assert stream.finish() == ((), ())
    assert stream.transcript.text == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step_s": 0.0}, "step_s must be above 0 seconds; got 0"),
        ({"lookahead_s": -1.0}, "lookahead_s must be 0 seconds or more; got -1"),
        ({"context_s": float("nan")}, "context_s must be 0 seconds or more; got nan"),
    ],
)
def test_a_wrong_setting_is_told(settings, message):
    with pytest.raises(InputError, match=message):
        Streaming(**settings)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 10), np.float32), r"samples must be \(T,\) floats within ±1"),
        (np.zeros(10, np.int16), r"samples must be \(T,\) floats within ±1"),
        (np.array([0.0, np.nan]), "samples must be finite"),
    ],
)
def test_wrong_samples_are_told(transcribers, samples, message):
    with pytest.raises(InputError, match=message):
        transcribers["xlsr"].stream().feed(samples)
