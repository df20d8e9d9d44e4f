"""Segments and windows of a recording, and prompts between them."""

import weakref

import numpy as np
import pytest
import torch

from photism import Waveform, load_waveform
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.fingerprint import requested_fingerprint
from photism.drawing.video.keyframes import (
    Keyframe,
    KeyframeInterpolator,
    recording_keyframes,
    resolve_sync,
    segment_keyframes,
    window_keyframes,
)
from photism.drawing.video.segmentation import Segment
from photism.drawing.video.settings import FilmSettings
from photism.errors import InputError, RecordingWarning
from photism.hub import bundled_model
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.mixing import with_strength
from tests.drawing.video.recordings import RATE, beats, noise, silence, tone, write_wav
from tests.support.prompts import assert_equal, make_prompt

WORDS = ("elephant.en", "banana.es", "dolphin.ro")


@pytest.fixture
def recording(tmp_path):
    """5.2 s: windows of 2 s every second have their middles at 1, 2, 3, 4 and 4.2 s."""
    return SoundFile.of(write_wav(tmp_path / "a.wav", noise(5.2)))


def encoded(pipeline, sound, starts):
    samples = np.concatenate(list(stream_samples(sound)))
    return pipeline.encoder.encode([Waveform(samples[round(start * RATE) :][: 2 * RATE]) for start in starts])


@pytest.mark.parametrize("name", ["pipeline", "xl"])
def test_keyframes_are_at_the_middle_of_their_windows(request, name, recording):
    pipeline = request.getfixturevalue(name)
    expected = encoded(pipeline, recording, [0, 1, 2, 3, 3.2])
    prompts = KeyframeInterpolator(window_keyframes(recording, pipeline.encoder, window_s=2.0, hop_s=1.0))
    for time_s, row in [(0, 0), (0.7, 0), (1, 0), (2, 1), (2.5, (1, 2)), (4, 3), (4.1, (3, 4)), (4.2, 4), (5.2, 4)]:
        at = prompts.at(time_s)
        for ours, rows in zip(at[:2], expected[:2], strict=True):
            if ours is None or rows is None:
                assert ours is rows is None
            else:
                wanted = rows[list(row)].mean(0) if isinstance(row, tuple) else rows[row]
                torch.testing.assert_close(ours[0], wanted, atol=1e-5, rtol=1e-4)


def test_a_later_time_encodes_only_the_windows_around_it(pipeline, tmp_path, monkeypatch):
    counts = []
    encode = pipeline.encoder.encode
    monkeypatch.setattr(
        pipeline.encoder,
        "encode",
        lambda sounds, **arguments: counts.append(len(sounds)) or encode(sounds, **arguments),
    )
    sound = SoundFile.of(write_wav(tmp_path / "long.wav", noise(60)))
    from_start = KeyframeInterpolator(window_keyframes(sound, pipeline.encoder, window_s=2.0, hop_s=1.0))
    for time_s in [*range(41), 40.5]:
        expected = from_start.at(time_s)
    assert counts == [8] * 6
    counts.clear()
    late = KeyframeInterpolator(window_keyframes(sound, pipeline.encoder, window_s=2.0, hop_s=1.0)).at(40.5)
    torch.testing.assert_close(late.prompt_embeds, expected.prompt_embeds, atol=0, rtol=0)
    assert counts == [8, 8]


def test_only_the_windows_around_a_time_are_in_memory(pipeline, tmp_path, monkeypatch):
    made = []

    def noted(samples):
        made.append(weakref.ref(samples))
        return Waveform(samples)

    monkeypatch.setattr("photism.drawing.video.keyframes.Waveform", noted)
    sound = SoundFile.of(write_wav(tmp_path / "a.wav", noise(120)))
    prompts = KeyframeInterpolator(window_keyframes(sound, pipeline.encoder, window_s=2.0, hop_s=1.0))
    for time_s in range(0, 120, 5):
        prompts.at(time_s)
        assert sum(each() is not None for each in made) <= 16  # those around the time, and the rest of their batches
    assert len(made) == 119


@pytest.mark.parametrize("sync", ["speech", "onsets"])
def test_segments_stream_and_do_not_depend_on_where_a_film_is_resumed(pipeline, tmp_path, monkeypatch, sync):
    word = load_waveform(bundled_model() / "examples" / f"{WORDS[0]}.ogg").samples
    sound = measure_recording(write_wav(tmp_path / "a.wav", np.concatenate([word, silence(0.4)] * 40)))
    blocks = []

    def noted(sound, **given):
        for block in stream_samples(sound, **given):
            blocks.append(weakref.ref(block))
            yield block

    for module in ("keyframes", "segmentation"):
        monkeypatch.setattr(f"photism.drawing.video.{module}.stream_samples", noted)

    def prompts():
        return KeyframeInterpolator(recording_keyframes(sound, pipeline.encoder, FilmSettings(sync=sync)))

    from_start = prompts()
    for time_s in range(int(sound.duration_s)):
        expected = from_start.at(time_s)
        assert sum(each() is not None for each in blocks) <= 4
    assert len(blocks) > 10
    torch.testing.assert_close(prompts().at(time_s).prompt_embeds, expected.prompt_embeds, atol=0, rtol=0)


def sequence(*times, fade_s=0.2):
    """Return keyframes with prompts of seeds 0, 1, …, and a list of those that were encoded."""
    encoded = []
    keyframes = [
        Keyframe(time_s, fade_s, lambda seed=seed: encoded.append(seed) or make_prompt(seed))
        for seed, time_s in enumerate(times)
    ]
    return keyframes, encoded


def test_a_prompt_fades_in_when_its_time_comes_and_then_holds():
    prompts = KeyframeInterpolator(sequence(1.0, 3.0)[0])
    first, second = make_prompt(0), make_prompt(1)
    for time_s in (0.0, 1.0, 2.9, 3.0):
        assert_equal(prompts.at(time_s), first)
    assert_equal(prompts.at(3.05), with_strength(second, first, 0.25), atol=1e-5, rtol=0)
    for time_s in (3.2, 9.0):
        assert_equal(prompts.at(time_s), second)


def test_without_a_fade_the_prompt_changes_at_once():
    prompts = KeyframeInterpolator(sequence(0.0, 1.0, fade_s=0.0)[0])
    assert_equal(prompts.at(0.99), make_prompt(0))
    assert_equal(prompts.at(1.0), make_prompt(1))


def test_a_fade_that_the_next_keyframe_interrupts_is_shortened():
    prompts = KeyframeInterpolator(sequence(0.0, 1.0, 1.1)[0])
    assert_equal(prompts.at(1.05), with_strength(make_prompt(1), make_prompt(0), 0.5), atol=1e-5, rtol=0)
    assert_equal(prompts.at(1.1), make_prompt(1))


def test_only_the_prompts_of_requested_times_are_encoded():
    keyframes, encoded = sequence(0.0, 1.0, 2.0, 3.0)
    prompts = KeyframeInterpolator(keyframes)
    prompts.at(2.5)
    assert encoded == [2]


def test_a_segment_is_encoded_with_its_context_up_to_the_middle_of_a_pause(pipeline, recording):
    segments = [Segment(0.02, 1.0), Segment(1.04, 2.0), Segment(2.0, 3.0)]
    samples = np.concatenate(list(stream_samples(recording)))
    cuts = [samples[round(start * RATE) : round(stop * RATE)] for start, stop in ((0, 1.02), (1.02, 2.0), (2.0, 3.05))]
    expected = pipeline.encoder.encode([Waveform(cut) for cut in cuts])
    keyframes = list(segment_keyframes(recording, pipeline.encoder, segments, fade_s=0.3))
    assert [(keyframe.time_s, keyframe.fade_s) for keyframe in keyframes] == [(0.02, 0.3), (1.04, 0.3), (2.0, 0.3)]
    for row, keyframe in enumerate(keyframes):
        torch.testing.assert_close(keyframe.encode().prompt_embeds[0], expected.prompt_embeds[row])


@pytest.mark.parametrize(
    ("sync", "settings", "times"),
    [
        ("auto", {"hop_s": 0.5, "window_s": 2.0}, [1.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]),
        ("fixed", {"window_s": 2.0}, [1.0, 1.0, 2.0, 3.0]),
        ("fixed", {"window_s": 0.5}, [0.25] + [0.25 + 0.5 * number for number in range(9)]),
        ("auto", {}, [0.0, 2.0, 4.0]),
        ("onsets", {}, [0.0, 2.0, 4.0]),
        ("speech", {}, [0.0]),
    ],
)
def test_keyframes_are_where_the_settings_say(pipeline, tmp_path, sync, settings, times):
    sound = measure_recording(write_wav(tmp_path / "a.wav", beats(5, every_s=2)))
    keyframes = recording_keyframes(sound, pipeline.encoder, resolve_sync(sound, FilmSettings(sync=sync, **settings)))
    assert [keyframe.time_s for keyframe in keyframes] == pytest.approx(times, abs=0.03)


def test_the_prompt_is_that_of_the_word_which_is_being_said(tmp_path):
    encoder = AudioPromptEncoder.from_pretrained(bundled_model())
    words = [load_waveform(bundled_model() / "examples" / f"{name}.ogg").samples for name in WORDS]
    samples, times = [silence(1)], []
    for word in words:
        start_s = sum(map(len, samples)) / RATE
        times.append((start_s + 0.35, start_s + len(word) / RATE + 0.5))
        samples += [word, silence(0.6)]
    sound = measure_recording(write_wav(tmp_path / "a.wav", np.concatenate(samples)))
    prompts = KeyframeInterpolator(recording_keyframes(sound, encoder, resolve_sync(sound, FilmSettings())))
    expected = encoder.encode([Waveform(word) for word in words]).mixture_weights.argmax(1).tolist()
    for word, (early_s, late_s) in zip(expected, times, strict=True):
        assert [prompts.at(time_s).mixture_weights.argmax().item() for time_s in (early_s, late_s)] == [word, word]


@pytest.mark.parametrize(
    ("settings", "fade_s"), [({"sync": "onsets"}, 1.0), ({"fade_s": 0.3}, 0.3), ({"sync": "beat"}, 0.1)]
)
def test_music_fades_slowly_unless_it_changes_with_the_beat(pipeline, tmp_path, settings, fade_s):
    sound = measure_recording(write_wav(tmp_path / "a.wav", beats(8)))
    keyframes = recording_keyframes(sound, pipeline.encoder, resolve_sync(sound, FilmSettings(**settings)))
    assert {keyframe.fade_s for keyframe in keyframes} == {fade_s}


@pytest.mark.parametrize("sync", ["beat", "downbeat"])
def test_music_without_a_beat_follows_its_onsets_and_fades_like_them(tmp_path, sync):
    parts = [tone(1), silence(0.3), tone(2.1, hertz=880), silence(0.8), tone(1.3)]
    sound = measure_recording(write_wav(tmp_path / "a.wav", np.concatenate(parts)))
    with pytest.warns(RecordingWarning, match="a.wav: no regular beat; pictures change at onsets"):
        settings = resolve_sync(sound, FilmSettings(sync=sync))
    assert (settings.sync, settings.fade_s) == ("onsets", 1.0)
    assert not requested_fingerprint(sound, FilmSettings(sync=sync)).keys() & {"sync", "fade_s"}


@pytest.mark.parametrize(("settings", "shown"), [({"sync": "fixed"}, "sync"), ({"hop_s": 0.5}, "hop_s")])
def test_a_fade_is_refused_where_windows_are_fixed(settings, shown):
    with pytest.raises(InputError, match=f"fade_s has no effect with {shown}: prompts of fixed windows always fade"):
        FilmSettings(fade_s=0.2, **settings)
