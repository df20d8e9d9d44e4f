"""Frames of a film: prompts, noise, zoom, settings and storyboard."""

from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from diffusers import (
    EulerAncestralDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
)
from PIL import Image, ImageEnhance

from photism import AudioToImagePipeline, InputError, Waveform
from photism.audio.streaming import stream_samples
from photism.drawing.settings import DrawSettings
from photism.drawing.video.audio_features import MeasuredRecording, audio_envelopes, measure_recording
from photism.drawing.video.film import Film, count_frames
from photism.drawing.video.keyframes import KeyframeInterpolator, recording_keyframes
from photism.drawing.video.motion import BAND_NOISE, NOISE_DRIFT
from photism.drawing.video.settings import FilmSettings
from photism.drawing.video.storyboard import clock, storyboard
from photism.hub import bundled_model
from photism.prompts.mixing import blend
from tests.drawing.video.recordings import RATE, beats, noise, silence, tone, write_wav
from tests.support.prompts import assert_equal

STEPS = 2
TARGETS = "zoom, noise, colour, prompt"
LEVELS = 1  # of 255: another batch size rounds differently


@pytest.fixture
def moving(tmp_path):
    """Return a recording of 5 s that changes all the time."""
    return measure_recording(write_wav(tmp_path / "a.wav", np.r_[beats(2), tone(1), noise(2, gain=0.02)]))


def film(pipeline, sound, *, others=(), **settings):
    defaults = {"fps": 10, "sync": "fixed", "window_s": 2.0, "hop_s": 0.5, "num_inference_steps": STEPS}
    return Film(pipeline, sound, FilmSettings(**{**defaults, **settings}), others)


def images(made, indices=None):
    indices = range(made.frame_count) if indices is None else indices
    return np.stack([np.asarray(frame.image, np.int16) for frame in made.frames(indices)])


def difference(one, other):
    return np.abs(one - other).mean()


@pytest.mark.parametrize("name", ["pipeline", "xl"])
def test_the_first_frame_is_the_image_of_the_first_window(request, name, moving):
    pipeline = request.getfixturevalue(name)
    first = Waveform(np.concatenate(list(stream_samples(moving.sound)))[: 2 * RATE])
    expected = pipeline(first, seed=5, num_inference_steps=STEPS, guidance_scale=3.0).images[0][0]
    ours = images(film(pipeline, moving, seed=5, guidance_scale=3.0, zoom=0, noise=0), [0, 9])
    for each in ours:  # until the first keyframe, at 1 s, the prompt is that of the first window
        np.testing.assert_allclose(each, np.asarray(expected, np.int16), atol=LEVELS)


@pytest.mark.parametrize(("dtype", "levels"), [("float16", 4), ("bfloat16", 24)])
def test_a_film_in_half_precision(models, pipeline, moving, device, dtype, levels):
    half = AudioToImagePipeline.from_pretrained(models / "sd", device=device, dtype=dtype)
    chosen = [0, 21]
    np.testing.assert_allclose(images(film(half, moving), chosen), images(film(pipeline, moving), chosen), atol=levels)


def test_a_film_depends_on_its_seed_only(pipeline, moving):
    ours = images(film(pipeline, moving))
    np.testing.assert_array_equal(ours, images(film(pipeline, moving)))
    assert difference(ours, images(film(pipeline, moving, seed=1))) > 5


@pytest.mark.slow
def test_a_frame_does_not_depend_on_the_other_frames(pipeline, moving):
    ours = images(film(pipeline, moving))
    for batch_size in (1, 7):
        np.testing.assert_allclose(images(film(pipeline, moving, batch_size=batch_size)), ours, atol=LEVELS)
    frames = list(film(pipeline, moving).frames([3, 4, 40, 49]))
    assert [(frame.index, frame.time_s) for frame in frames] == [(3, 0.3), (4, 0.4), (40, 4.0), (49, 4.9)]
    np.testing.assert_allclose([np.asarray(frame.image) for frame in frames], ours[[3, 4, 40, 49]], atol=LEVELS)


def test_frames_move_and_do_not_flicker(pipeline, moving):
    ours = images(film(pipeline, moving, fps=30, zoom=0))
    steps = [difference(one, other) for one, other in pairwise(ours)]
    distant = difference(ours[75:], ours[:75])
    assert distant > 3
    assert np.mean(steps) < distant / 8
    assert max(steps) < distant


@pytest.mark.slow
def test_twice_the_frame_rate_halves_the_difference_between_frames(pipeline, moving):
    slow, fast = (images(film(pipeline, moving, fps=fps, zoom=0)) for fps in (10, 20))
    np.testing.assert_allclose(fast[::2], slow, atol=LEVELS)
    steps = [np.mean([difference(one, other) for one, other in pairwise(each)]) for each in (slow, fast)]
    assert steps[1] == pytest.approx(steps[0] / 2, rel=0.2)


@pytest.mark.slow
def test_ancestral_schedulers_do_not_flicker(pipeline, models, tmp_path):
    recording = measure_recording(write_wav(tmp_path / "a.wav", tone(3)))
    ancestral = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    ancestral.diffusion.scheduler = EulerAncestralDiscreteScheduler.from_config(ancestral.diffusion.scheduler.config)
    ours = images(film(ancestral, recording, zoom=0, noise=0))
    assert np.ptp(ours, axis=0).max() <= LEVELS


def test_silence_moves_slowly(pipeline, tmp_path):
    quiet, loud = (
        images(film(pipeline, measure_recording(write_wav(tmp_path / "a.wav", sound))))
        for sound in (silence(4), beats(4))
    )
    steps = [np.mean([difference(one, other) for one, other in pairwise(each)]) for each in (quiet, loud)]
    assert 0 < steps[0] < 0.3
    assert steps[1] > 5 * steps[0]


def test_silence_without_noise_and_zoom_does_not_move(pipeline, tmp_path):
    ours = images(film(pipeline, measure_recording(write_wav(tmp_path / "a.wav", silence(4))), noise=0, zoom=0))
    assert np.ptp(ours, axis=0).max() <= LEVELS


def test_noise_moves_with_its_setting(pipeline, moving):
    at_rest = images(film(pipeline, moving, noise=0, zoom=0), [19])
    drifted = [difference(images(film(pipeline, moving, noise=noise, zoom=0), [19]), at_rest) for noise in (0.3, 1)]
    assert 0 < drifted[0] < drifted[1]


@pytest.mark.parametrize("name", ["pipeline", "xl"])
def test_the_prompts_of_other_recordings_are_blended_in_at_each_time(request, name, moving, tmp_path):
    pipeline = request.getfixturevalue(name)
    short = measure_recording(write_wav(tmp_path / "b.wav", noise(2.6)))
    one, mixed = film(pipeline, moving), film(pipeline, moving, others=[short], mix="2,1")
    assert mixed.frame_count == one.frame_count
    other = KeyframeInterpolator(recording_keyframes(short, pipeline.encoder, one.settings))
    indices = range(0, 50, 3)
    for ours, first in zip(mixed._inputs(indices), one._inputs(indices), strict=True):
        assert_equal(ours.prompt, blend([first.prompt, other.at(first.time_s)], [2, 1]))
        assert ours.motion == first.motion
        assert torch.equal(ours.noise, first.noise)


def test_a_recording_with_all_of_the_weight_gives_the_film_of_it_alone(pipeline, moving, tmp_path):
    other = measure_recording(write_wav(tmp_path / "b.wav", noise(1)))
    ours = images(film(pipeline, moving, others=[other], mix="3,0"), [0, 20, 49])
    np.testing.assert_array_equal(ours, images(film(pipeline, moving), [0, 20, 49]))


def test_each_recording_has_the_sync_that_fits_it(pipeline, moving):
    word = measure_recording(bundled_model() / "examples/elephant.en.ogg")
    made = film(pipeline, moving, others=[word], mix="1,1", sync="auto", hop_s=None)
    assert [(each.sync, each.fade_s) for each in (made.settings, *made.other_settings)] == [
        ("onsets", 1.0),
        ("speech", 0.1),
    ]


@pytest.mark.parametrize(
    ("mix", "count", "message"),
    [
        (None, 1, "mix must give a weight for each of several recordings, such as 2,1; got 2"),
        ("1,1", 2, "weights must be one for each recording, 3; got 2"),
        ("1,1", 0, "weights must be one for each recording, 1; got 2"),
        ("0,0", 1, "weights must be at least 0, finite and not all 0; got 0.0, 0.0"),
    ],
)
def test_weights_that_do_not_fit_the_recordings_are_refused(pipeline, moving, mix, count, message):
    with pytest.raises(InputError) as error:
        film(pipeline, moving, others=[moving] * count, mix=mix)
    assert str(error.value) == message


def zooms(made):
    return np.array([each.motion.zoom for each in made._inputs(range(made.frame_count))])


def test_loudness_and_onsets_zoom_in(pipeline, moving):
    made, still = film(pipeline, moving, fps=50, zoom=1), film(pipeline, moving, fps=50, zoom=0)
    zoom = zooms(made)
    loudest = int(zoom[:100].argmax())  # a beat
    assert zoom[loudest] > 1.8
    plain, zoomed = (next(each.frames([loudest])).image for each in (still, made))
    margin = 8 - 8 / zoom[loudest]
    middle = plain.resize((16, 16), Image.Resampling.BICUBIC, box=(margin, margin, 16 - margin, 16 - margin))
    np.testing.assert_allclose(np.asarray(zoomed, np.int16), np.asarray(middle, np.int16), atol=LEVELS)
    assert (zooms(still) == 1).all()


def test_zoom_pulses_with_a_limited_drum_loop(pipeline, tmp_path):
    """Before, the margin that a zoom of 0.1 cuts off at 128 pixels moved by .4 pixels."""
    loop = np.tanh(3 * (beats(4) + noise(4, gain=0.05, seed=1)))
    made = film(pipeline, measure_recording(write_wav(tmp_path / "a.wav", 0.9 * loop)), fps=25)
    margins = 64 - 64 / zooms(made)
    assert np.diff(np.percentile(margins, [5, 95])) > 2


def test_frames_change_most_at_onsets(pipeline, tmp_path):
    """Frame differences correlate with onset strength."""
    recording = measure_recording(write_wav(tmp_path / "a.wav", np.r_[beats(1), beats(1, every_s=0.25)]))
    ours = images(film(pipeline, recording, fps=25))
    differences = [difference(one, other) for one, other in pairwise(ours)]
    onsets = np.diff([each.onset_integral for each in islice(film_envelopes(recording), len(ours))])
    assert np.corrcoef(differences, onsets)[0, 1] >= 0.7


def film_envelopes(recording):
    defaults = FilmSettings()
    times = {"attack_s": defaults.attack_s, "release_s": defaults.release_s, "pulse_s": defaults.pulse_s}
    return audio_envelopes(recording, Fraction(25), **times)


@pytest.mark.parametrize(("band", "hertz"), [("low", 80), ("mid", 600), ("high", 4000)])
def test_bands_drive_what_the_settings_say(pipeline, tmp_path, band, hertz):
    sound = np.r_[tone(1, hertz=80), tone(1, hertz=600), tone(1, hertz=4000)]
    recording = measure_recording(write_wav(tmp_path / "a.wav", sound))
    made = film(pipeline, recording, zoom=0.2, **{band: "zoom:2,noise,colour:0.5,prompt"})
    found = list(made._inputs([5, 15, 25]))
    at = [80, 600, 4000].index(hertz)
    np.testing.assert_allclose([each.motion.zoom for each in found], 1 + 0.4 * np.eye(3)[at], atol=0.02)
    np.testing.assert_allclose([each.motion.saturation for each in found], 1 + 0.5 * np.eye(3)[at], atol=0.03)
    np.testing.assert_allclose([each.motion.prompt for each in found], np.eye(3)[at], atol=0.05)
    drift = NOISE_DRIFT * np.array([0.5, 1.5, 2.5])
    seconds = np.clip([0.5 - at, 1.5 - at, 2.5 - at], 0, 1)
    np.testing.assert_allclose([each.motion.noise for each in found], drift + BAND_NOISE * seconds, atol=0.05)
    empty = pipeline.encoder.empty_prompt.prompt_embeds
    for each in found:
        assert torch.allclose(each.prompt.prompt_embeds, empty, atol=0.2) == (each.motion.prompt < 0.05)


def test_colour_is_saturated_by_a_band(pipeline, tmp_path):
    recording = measure_recording(write_wav(tmp_path / "a.wav", np.r_[tone(1, hertz=80), tone(1, hertz=4000)]))
    plain, coloured = (film(pipeline, recording, zoom=0, noise=0, low=low) for low in (None, "colour"))
    low, high = zip(plain.frames([5, 15]), coloured.frames([5, 15]), strict=True)
    saturation = next(coloured._inputs([5])).motion.saturation
    assert saturation == pytest.approx(2, abs=0.01)
    assert low[1].image == ImageEnhance.Color(low[0].image).enhance(saturation)
    np.testing.assert_allclose(np.asarray(high[1].image, np.int16), np.asarray(high[0].image, np.int16), atol=LEVELS)


def test_width_and_height_set_the_size(pipeline, xl, moving):
    for each in (pipeline, xl):
        made = film(each, moving, height=24, width=32)
        assert made.size == (32, 24)
        assert images(made, [0]).shape == (1, 24, 32, 3)
    assert film(pipeline, moving).size == (16, 16)


def test_a_film_has_the_settings_that_are_used(pipeline, moving):
    used = film(pipeline, moving, num_inference_steps=None, negative="none", zoom=0.3).settings
    assert (used.num_inference_steps, used.guidance_scale, used.negative) == (pipeline.num_inference_steps, 1, "none")
    assert (used.width, used.height, used.zoom) == (16, 16, 0.3)


def test_a_negative_recording_is_encoded_once_per_film(pipeline, moving, monkeypatch):
    encoded = []
    encode = pipeline.encoder.encode

    def spy(recordings, **given):
        encoded.extend(recordings)
        return encode(recordings, **given)

    monkeypatch.setattr(pipeline.encoder, "encode", spy)
    images(film(pipeline, moving, negative="noise", batch_size=2))
    lengths = [recording.duration_s for recording in encoded]
    assert len(lengths) == 1 + 7  # the noise, and windows of 2 s every half second of 5 s
    assert lengths.count(4) == 1


@pytest.mark.parametrize("negative", ["none", "empty", "noise"])
def test_the_negative_prompt_is_that_of_the_pipeline(pipeline, moving, negative):
    first = Waveform(np.concatenate(list(stream_samples(moving.sound)))[: 2 * RATE])
    expected = pipeline(first, num_inference_steps=STEPS, negative=negative).images[0][0]
    ours = images(film(pipeline, moving, negative=negative, zoom=0), [0])[0]
    np.testing.assert_allclose(ours, np.asarray(expected, np.int16), atol=LEVELS)


def test_the_first_image_flagged_by_the_safety_checker_is_reported(models, parts, moving, caplog):
    for name, expected in (("flagging", ["the safety checker flagged frame 3, which is black"]), ("passing", [])):
        checked = AudioToImagePipeline.from_pretrained(models / "sd", diffusion=parts / name, device="cpu")
        caplog.clear()
        assert (images(film(checked, moving), [3, 4, 30]).max() == 0) == bool(expected)
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("photism")]
        assert ours == expected  # diffusers logs its own line, unless an earlier test has silenced it


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({"sync": "auto", "hop_s": None}, ("onsets", None)),
        ({"sync": "auto"}, ("fixed", 0.5)),
        ({"sync": "fixed", "hop_s": None}, ("fixed", 1.0)),
        ({"sync": "fixed", "hop_s": None, "window_s": 0.5}, ("fixed", 0.5)),
    ],
)
def test_a_film_says_what_its_pictures_change_with(pipeline, moving, given, used):
    settings = film(pipeline, moving, **{"sync": "auto", **given}).settings
    assert (settings.sync, settings.hop_s) == used


@pytest.mark.parametrize(
    ("samples", "fps", "frames"),
    [
        (160_000, 25, 250),
        (160_001, 25, 250),  # resampling rounds up
        (160_002, 25, 251),
        (160_000, "29.97", 300),
        (160_000, "30000/1001", 300),
        (160_000, Fraction(1, 60), 1),
        (400, 1, 1),
        (16_000 * 3600 * 3, 59.94, 647_352),
    ],
)
def test_the_frames_cover_the_recording(samples, fps, frames):
    settings = FilmSettings(fps=fps)
    assert count_frames(MeasuredRecording(None, samples, 0.0, None), settings) == frames
    assert 0 <= frames / settings.frame_rate - Fraction(samples - 1, RATE) < 1 / settings.frame_rate


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def with_images(models, parts):
    """Return pipelines that start from an image, that follow a ControlNet's, or both, by their names."""
    loaded = {}

    def load(name, task, controlnet):
        if (name, task, controlnet) not in loaded:
            loaded[name, task, controlnet] = AudioToImagePipeline.from_pretrained(
                models / name, task=task, controlnet=parts / f"controlnet-{name}" if controlnet else None, device="cpu"
            )
        return loaded[name, task, controlnet]

    return load


@pytest.mark.parametrize("name", ["sd", "xl"])
@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("image-to-image", {"image": PICTURE, "strength": 0.8, "keep_image_size": True}),
        (None, {"control_image": PICTURE, "controlnet_conditioning_scale": 0.7}),
        ("image-to-image", {"image": PICTURE, "control_image": PICTURE}),
    ],
)
def test_the_first_frame_with_a_picture_is_the_image_that_draw_generates(with_images, moving, name, task, given):
    pipeline = with_images(name, task, "control_image" in given)
    first = Waveform(np.concatenate(list(stream_samples(moving.sound)))[: 2 * RATE])
    expected = pipeline(first, seed=5, num_inference_steps=4, **given).images[0][0]
    made = film(pipeline, moving, seed=5, num_inference_steps=4, zoom=0, **given)
    assert made.size == expected.size
    frames = images(made, [0, 1, 49])
    np.testing.assert_allclose(frames[0], np.asarray(expected, np.int16), atol=LEVELS)
    assert 0 < difference(frames[0], frames[1]) < difference(frames[0], frames[2])  # the noise moves


def test_frames_that_start_from_a_picture_do_not_flicker(with_images, moving):
    still = film(with_images("sd", "image-to-image", False), moving, image=PICTURE, noise=0, zoom=0)
    frames = images(still, range(4))  # within the first window
    assert np.ptp(frames, axis=0).max() <= LEVELS


@pytest.mark.parametrize(
    "given",
    [
        {"text": "a red rose"},
        {"text": "a red rose", "text_place": "before"},
        {"text": "a red rose", "text_place": (2, 5), "sound_strength": 1.2},
        {"sound_strength": 0.3},
    ],
)
def test_a_text_is_mixed_into_every_frame_as_into_an_image(pipeline, moving, given):
    first = Waveform(np.concatenate(list(stream_samples(moving.sound)))[: 2 * RATE])
    expected = pipeline(first, num_inference_steps=STEPS, **given).images[0][0]
    made = film(pipeline, moving, zoom=0, noise=0, **given)
    frames = images(made, [0, 40])
    np.testing.assert_allclose(frames[0], np.asarray(expected, np.int16), atol=LEVELS)
    assert difference(frames, images(film(pipeline, moving, zoom=0, noise=0), [0, 40])) > 0.5
    assert made.settings.sound_strength == DrawSettings(**given).resolved_sound_strength


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (StableDiffusionInpaintPipeline, "pipeline must not be for inpainting, since frames have no mask; got "),
        (StableDiffusionImg2ImgPipeline, "image is missing: StableDiffusionImg2ImgPipeline needs one"),
    ],
)
def test_a_pipeline_that_needs_what_a_film_does_not_give_is_refused(pipeline, moving, kind, message):
    other = AudioToImagePipeline(pipeline.encoder, kind(**pipeline.diffusion.components))
    with pytest.raises(InputError, match=message):
        film(other, moving)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fps": 0}, "fps must be above 0 and at most 1000; got 0"),
        ({"fps": 1001}, "fps must be above 0 and at most 1000; got 1001"),
        ({"fps": "fast"}, "fps must be a number or a fraction, such as 25, 29.97 or 30000/1001; got fast"),
        ({"fps": "1/0"}, "fps must be a number or a fraction, such as 25, 29.97 or 30000/1001; got 1/0"),
        ({"fps": float("inf")}, "fps must be a finite number; got inf"),
        ({"window_s": 0.09}, "window_s must be at least 0.1; got 0.09"),
        ({"hop_s": 0.009}, "hop_s must be at least 0.01; got 0.009"),
        ({"hop_s": 3.1}, "hop_s must be at most window_s, 3, or audio between windows is skipped; got 3.1"),
        ({"hop_s": 1.0, "sync": "onsets"}, "hop_s is for fixed windows; with sync onsets, windows have no hop"),
        ({"sync": "words"}, "sync must be one of auto, speech, onsets, beat, downbeat, fixed; got words"),
        ({"fade_s": -0.1}, "fade_s must be at least 0; got -0.1"),
        ({"noise": -0.1}, "noise must be at least 0; got -0.1"),
        ({"zoom": float("nan")}, "zoom must be at least 0; got nan"),
        ({"attack_s": -1}, "attack_s must be at least 0; got -1"),
        ({"release_s": float("inf")}, "release_s must be at least 0; got inf"),
        ({"pulse_s": -1}, "pulse_s must be at least 0; got -1"),
        ({"low": "zoom:x"}, "low must give zoom a number of at least 0, such as zoom:0.5; got zoom:x"),
        ({"mid": "zoom,noise:-1"}, "mid must give noise a number of at least 0, such as noise:0.5; got zoom,noise:-1"),
        ({"high": "hue"}, f"high must name targets out of {TARGETS}, each once, such as zoom:0.5; got hue"),
        ({"high": "zoom,zoom"}, f"high must name targets out of {TARGETS}, each once, such as zoom:0.5; got zoom,zoom"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"seed": 2**63}, "seed must be at least 0 and below 2**63; got 9223372036854775808"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"num_inference_steps": 0}, "num_inference_steps must be at least 1; got 0"),
        ({"width": 64}, "width must be given together with height"),
        ({"height": 64}, "height must be given together with width"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(InputError) as error:
        FilmSettings(**settings)
    assert str(error.value) == message


def test_settings_at_their_bounds_are_allowed():
    FilmSettings(fps=1000, window_s=0.1, hop_s=0.1, noise=0, zoom=0, attack_s=0, release_s=0, seed=2**63 - 1)


def test_a_storyboard_has_frames_at_even_times(pipeline, moving):
    made = film(pipeline, moving, height=64, width=64)
    sheet = np.asarray(storyboard(made, 5), np.int16)
    assert sheet.shape == (8 + 2 * (64 + 28), 8 + 3 * (64 + 8), 3)
    frames = images(made, [5, 15, 25, 35, 45])
    for number, frame in enumerate(frames):
        left, top = 8 + number % 3 * 72, 8 + number // 3 * 92
        np.testing.assert_allclose(sheet[top : top + 64, left : left + 64], frame, atol=LEVELS)
        assert sheet[top + 64 : top + 84, left : left + 64].min() < 128  # its time
    assert (sheet[-92:, -72:] == 255).all()  # the sixth cell is empty


def test_times_do_not_overlap_below_small_frames(pipeline, moving):
    columns = np.asarray(storyboard(film(pipeline, moving), 2))[-20:].min((0, 2)) < 128
    assert (np.diff(np.flatnonzero(columns)) > 8).any()  # white between one time and the next


def test_a_storyboard_has_at_most_the_frames_of_the_film(pipeline, moving):
    sheet = storyboard(film(pipeline, moving, fps=1, height=64, width=64), 100)
    assert sheet.size == (8 + 3 * 72, 8 + 2 * 92)  # 5
    with pytest.raises(InputError, match="count of frames must be at least 1; got 0"):
        storyboard(film(pipeline, moving), 0)


@pytest.mark.parametrize(
    ("time_s", "shown"), [(0, "0:00.0"), (59.99, "0:59.9"), (61.25, "1:01.2"), (3723.5, "1:02:03.5")]
)
def test_clock_formats_a_time(time_s, shown):
    assert clock(time_s) == shown
