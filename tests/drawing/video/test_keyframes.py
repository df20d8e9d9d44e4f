"""Windows of a recording, and prompts between them."""

import weakref

import numpy as np
import pytest
import torch

from photism import Waveform
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.drawing.video.keyframes import KeyframeInterpolator
from tests.drawing.video.recordings import RATE, noise, write_wav


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
    prompts = KeyframeInterpolator(recording, pipeline.encoder, window_s=2.0, hop_s=1.0)
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
    from_start = KeyframeInterpolator(sound, pipeline.encoder, window_s=2.0, hop_s=1.0)
    for time_s in [*range(41), 40.5]:
        expected = from_start.at(time_s)
    assert counts == [8] * 6
    counts.clear()
    late = KeyframeInterpolator(sound, pipeline.encoder, window_s=2.0, hop_s=1.0).at(40.5)
    torch.testing.assert_close(late.prompt_embeds, expected.prompt_embeds, atol=0, rtol=0)
    assert counts == [8, 8]


def test_only_the_windows_around_a_time_are_in_memory(pipeline, tmp_path, monkeypatch):
    made = []

    def noted(samples):
        made.append(weakref.ref(samples))
        return Waveform(samples)

    monkeypatch.setattr("photism.drawing.video.keyframes.Waveform", noted)
    sound = SoundFile.of(write_wav(tmp_path / "a.wav", noise(120)))
    prompts = KeyframeInterpolator(sound, pipeline.encoder, window_s=2.0, hop_s=1.0)
    for time_s in range(0, 120, 5):
        prompts.at(time_s)
        assert sum(each() is not None for each in made) <= 16  # those around the time, and the rest of their batches
    assert len(made) == 119
