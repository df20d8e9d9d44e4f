"""Recordings encoded in windows, compared with one pass."""

import numpy as np
import pytest
import torch

from photism import AudioPromptEncoder, Waveform, load_waveform
from photism.audio.log_mel import log_mel
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.long_recording import load_recording
from photism.audio.windowing import cut_windows
from photism.encoder import chunked
from photism.encoder.chunked import encode_chunked, encode_stream, max_exact_tokens
from photism.errors import InputError
from photism.hub import bundled_model
from tests.encoder.reference import batch, pair
from tests.support.long_recordings import read_in_blocks

EXAMPLE_PATHS = sorted((bundled_model() / "examples").glob("*.ogg"))


@pytest.fixture(scope="module")
def bundled():
    return AudioPromptEncoder.from_pretrained(bundled_model()).float().eval()


@pytest.fixture(scope="module")
def speech(bundled):
    """Features of two minutes of speech."""
    samples = np.concatenate([load_waveform(path).samples for path in EXAMPLE_PATHS])
    return bundled.extract_features([Waveform(np.resize(samples, 120 * 16_000))]).input_features


def cosine(left, right):
    return torch.cosine_similarity(left[0], right[0], dim=-1)


def test_a_clip_no_longer_than_a_window_is_exact():
    model, _ = pair("Model")
    features, _ = batch((37,))
    with torch.no_grad():
        wanted = model(features).last_hidden_state
    for window in (None, 37, 100):
        states, windows = encode_chunked(model, features, window=window)
        assert windows == 1
        torch.testing.assert_close(states, wanted)


def test_windows_of_speech_are_close_to_one_pass_and_leave_no_seam(bundled, speech):
    whole, one = encode_chunked(bundled.encoder, speech)
    states, count = encode_chunked(bundled.encoder, speech, window=500, overlap=100)
    assert (one, count) == (1, 8)
    assert states.shape == whole.shape
    assert cosine(states, whole).mean() > 0.98
    # A seam would be a step from token to token, larger than those of speech itself.
    steps, whole_steps = ((each[0, 1:] - each[0, :-1]).norm(dim=-1) for each in (states, whole))
    assert steps.max() <= 1.05 * whole_steps.max()
    windows = cut_windows(speech.shape[1], length=500, hop=400, placement="even")
    starts = torch.tensor([start for start, _ in windows])
    seams = torch.cat([starts[1:], starts[:-1] + 500])
    excess = (steps - whole_steps).abs()
    assert excess[seams - 1].mean() <= 2 * excess.mean()


def test_windows_are_used_and_counted_if_memory_is_short(bundled, speech, monkeypatch):
    example = EXAMPLE_PATHS[0]
    together = bundled.encode([example, example])
    assert together.windows == (1, 1)
    assert max_exact_tokens(bundled.encoder) <= chunked.MAX_EXACT_TOKENS
    monkeypatch.setattr(chunked, "free_bytes", lambda device: 2 * 12 * chunked.VALUES_PER_TOKEN * 256 * 4)
    assert max_exact_tokens(bundled.encoder) == 12
    monkeypatch.setattr(chunked, "WINDOW_TOKENS", 12)
    apart = bundled.encode([example, example])
    assert apart.windows[0] == apart.windows[1] > 1
    assert apart.prompt_embeds.shape == together.prompt_embeds.shape


def test_invalid_arguments_are_rejected():
    model, _ = pair("Model")
    features, _ = batch((37, 37))
    with pytest.raises(InputError, match="one clip"):
        encode_chunked(model, features)
    with pytest.raises(InputError, match="overlap must be from 0 to below the window"):
        encode_chunked(model, features[:1], window=10, overlap=10)
    with_adapter, _ = pair("Model", add_adapter=True)
    with pytest.raises(InputError, match="no adapter"):
        encode_chunked(with_adapter, features[:1])


def test_states_of_a_stream_are_those_of_the_whole_features():
    model, _ = pair("Model", feature_projection_input_dim=160)
    samples = np.random.default_rng(0).standard_normal(50_000).astype(np.float32) * 0.1
    with read_in_blocks(window_tokens=40), torch.no_grad():
        features, mask = log_mel([samples])
        expected, windows = encode_chunked(model, features[:, : int(mask.sum())])
        log_mels = LogMelStream.measure(load_recording(Waveform(samples)), num_mel_bins=80, stride=2)
        reported = []
        stream = encode_stream(model, log_mels, passes=2, on_progress=reported.append)
        found = [torch.cat(list(stream), dim=1) for _ in range(2)]
    assert len(stream.windows) == windows == 5
    for states in found:
        torch.testing.assert_close(states, expected, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(reported, np.arange(1, 11) * 3.125 / 10)
    with_adapter, _ = pair("Model", add_adapter=True)
    with pytest.raises(InputError, match="no adapter"):
        encode_stream(with_adapter, log_mels)
