"""Windows over a long sound: their positions, their weights, and that they leave no seam."""

import numpy as np
import pytest
import torch

from photism.audioldm2.mel_vae import VOCODER_FRAMES, decode_latents, vocode
from photism.audioldm2.windows import plan_windows
from tests.audioldm2.peers import apart


@pytest.mark.parametrize("total", [33, 40, 57, 200])
@pytest.mark.parametrize("is_loop", [False, True])
def test_windows_cover_the_whole_and_weights_add_up_to_one(total, is_loop):
    windows = plan_windows(total, 32, is_loop=is_loop)
    whole = torch.randn(2, 3, total, 5)
    parts = windows.cut(whole)
    start, stop = windows.windows[0]
    assert parts.shape == (2 * len(windows), 3, stop - start, 5)
    assert stop - start <= 32
    assert torch.allclose(windows.join(parts), whole, atol=1e-6)
    upsampled = whole.repeat_interleave(4, dim=2)
    assert torch.allclose(windows.upsampled(4).join(windows.upsampled(4).cut(upsampled)), upsampled, atol=1e-6)


def starts(windows):
    return tuple(span.start for span in windows.windows)


def test_windows_by_hand():
    assert plan_windows(32, 32) is None
    assert starts(plan_windows(33, 32)) == (0, 1)
    assert starts(plan_windows(80, 32)) == (0, 24, 48)  # which overlap by a quarter
    assert starts(plan_windows(32, 32, is_loop=True)) == (0, 16)
    assert starts(plan_windows(72, 32, is_loop=True)) == (0, 24, 48)  # the last one continues in the first
    two = plan_windows(8, 6)  # overlap 2, so that weights rise over two frames: 1/4 and 3/4
    assert (starts(two), two.overlap) == ((0, 2), 2)
    zeros, ones = torch.zeros(1, 1, 6, 1), torch.ones(1, 1, 6, 1)
    joined = two.join(torch.cat([zeros, ones]))[0, 0, :, 0].tolist()
    assert joined == pytest.approx([0, 0, 0.25 / 1.25, 0.75 / 1.75, 1 / 1.75, 1 / 1.25, 1, 1])


def test_the_windows_of_a_loop_continue_at_its_beginning():
    windows = plan_windows(10, 8, is_loop=True)
    parts = windows.cut(torch.arange(10.0).view(1, 1, 10, 1))[:, 0, :, 0].tolist()
    assert parts[0] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert parts[-1] == [5, 6, 7, 8, 9, 0, 1, 2]


@torch.no_grad()
def test_vocoding_in_segments_equals_the_whole(ours, monkeypatch):
    mel = torch.randn(1, 230, 32)
    with ours.models.on_device("vocoder") as (vocoder,):
        whole = vocoder(mel)[:, : 230 * 160]
        for size in (50, 100):
            monkeypatch.setattr("photism.audioldm2.mel_vae.VOCODER_FRAMES", size)
            assert apart(vocode(vocoder, mel, ours.checkpoint, samples=230 * 160), whole) < 1e-5
    assert VOCODER_FRAMES > 100


def levels_db(waveform, hop=400):
    """Return the level of each 25 ms in dB."""
    return 10 * np.log10((waveform[: len(waveform) // hop * hop].reshape(-1, hop) ** 2).mean(1))


def spectra(waveform, hop=800):
    """Return the log spectrum of each 50 ms in 20 bands."""
    frames = waveform[: len(waveform) // hop * hop].reshape(-1, hop) * np.hanning(hop)
    return np.log(np.abs(np.fft.rfft(frames))[:, :400].reshape(len(frames), 20, 20).mean(2))


@pytest.fixture(scope="module")
def long_sound(ours):
    """Return 6.4 s of sound, denoised in six windows of 1.28 s."""
    return ours("rain on a tin roof", num_inference_steps=8, audio_length_in_s=6.4, seed=0).audios[0]


def test_the_level_of_a_long_sound_does_not_drift(long_sound):
    assert len(long_sound) == 102_400
    assert np.isfinite(long_sound).all()
    seconds = [levels_db(long_sound[start : start + 16_000]).mean() for start in range(0, 96_000, 16_000)]
    assert max(seconds) - min(seconds) < 3  # dB


def test_windows_leave_no_seam(ours, long_sound):
    """At the ends of windows, neither level nor spectrum changes more than elsewhere."""
    windows = plan_windows(160, 32)
    ends = [start * 640 for start in starts(windows)[1:]] + [(start + 32) * 640 for start in starts(windows)[:-1]]
    for feature, hop in ((levels_db, 400), (spectra, 800)):
        changes = np.abs(np.diff(feature(long_sound), axis=0)).reshape(-1, 20 if feature is spectra else 1).mean(1)
        at_seams = [changes[max(0, end // hop - 1) : end // hop + 1].max() for end in ends]
        assert np.mean(at_seams) < np.mean(changes) + 2 * np.std(changes)
        assert max(at_seams) <= np.max(np.delete(changes, [end // hop for end in ends])) * 1.2


def test_windows_processed_in_groups_are_the_same(ours):
    settings = {"num_inference_steps": 2, "audio_length_in_s": 3.0, "num_waveforms_per_prompt": 2, "seed": 0}
    prompts = ["rain", "a dog"]
    latents = [ours(prompts, **settings, batch_size=size, output_type="latent").audios for size in (None, 1, 3, 8)]
    for other in latents[1:]:
        assert apart(other, latents[0]) < 1e-5


def test_a_loop_has_no_seam(ours):
    """The step from its last sample to its first is like any other, and rotating its noise rotates the loop."""
    settings = {"num_inference_steps": 4, "audio_length_in_s": 1.28}
    noise = torch.randn(1, 8, 32, 8, generator=torch.Generator().manual_seed(0))
    loop, line = (ours("rain", **settings, latents=noise, loop=each).audios[0] for each in (True, False))
    around = np.concatenate([loop[-800:], loop[:800]])
    steps, seam = np.abs(np.diff(loop)), np.abs(np.diff(around))[799]
    assert seam <= np.quantile(steps, 0.999)
    rotated = ours("rain", **settings, latents=noise.roll(16, 2), loop=True).audios[0]
    assert apart(np.roll(rotated, -16 * 640), loop) < 1e-4
    assert apart(line, loop) > 0.01


def test_a_long_loop_has_no_seam(ours):
    loop = ours("rain", num_inference_steps=4, audio_length_in_s=2.56, loop=True, seed=0).audios[0]
    rotated = np.roll(loop, 8000)
    changes = np.abs(np.diff(spectra(rotated), axis=0)).mean(1)
    assert changes[8000 // 800 - 1 : 8000 // 800 + 1].max() <= changes.max()


@torch.no_grad()
def test_decoding_in_windows_is_close_to_the_whole(ours):
    """They are not equal, since the group norms of the VAE average over its whole input."""
    latents = torch.randn(1, 8, 80, 8, generator=torch.Generator().manual_seed(0))
    with ours.models.on_device("vae") as (vae,):
        windowed = decode_latents(vae, latents, ours.checkpoint)
        whole = vae.decode(latents / vae.config.scaling_factor).sample[:, 0]
    assert windowed.shape == whole.shape
    assert (windowed - whole).abs().mean() < 0.1 * whole.std()
