"""The graph of log-mel features equals the feature extractor of transformers and `log_mel`."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import SeamlessM4TFeatureExtractor

from photism.audio.log_mel import log_mel
from photism.export.log_mel_graph import LogMelGraph

LENGTHS = (8000, 16_000, 400, 559, 560, 719, 720, 12_345)  # one frame, a token, a token and a frame


def make_waveforms(lengths):
    generator = torch.Generator().manual_seed(0)
    noise = [0.1 * torch.randn(length, generator=generator) for length in lengths]
    noise[0] = 0.5 * torch.sin(0.1 * torch.arange(lengths[0]))  # most of whose bins hold nothing but rounding errors
    return noise


@pytest.mark.parametrize(("stride", "padding_value"), [(2, 1.0), (4, 0.0)])
def test_equals_log_mel(stride, padding_value):
    waveforms = make_waveforms(LENGTHS)
    settings = {"num_mel_bins": 40, "stride": stride, "padding_value": padding_value}
    features, mask = LogMelGraph(**settings)(pad_sequence(waveforms, batch_first=True), torch.tensor(LENGTHS))
    wanted = log_mel(waveforms, **settings)
    assert features.dtype == torch.float32
    assert torch.equal(mask, wanted.attention_mask.long())
    torch.testing.assert_close(features, wanted.input_features, atol=1e-5, rtol=0)


def test_equals_the_feature_extractor_of_transformers():
    _, *waveforms = make_waveforms((400, 9000, 16_000))
    extractor = SeamlessM4TFeatureExtractor(padding_value=1.0)
    wanted = extractor([each.numpy() for each in waveforms], sampling_rate=16_000, return_tensors="np")
    graph = LogMelGraph(num_mel_bins=80, stride=2, padding_value=1.0)
    features, mask = graph(pad_sequence(waveforms, batch_first=True), torch.tensor([9000, 16_000]))
    assert np.array_equal(mask.numpy(), wanted["attention_mask"])
    valid = mask.bool().numpy()
    np.testing.assert_allclose(features.numpy()[valid], wanted["input_features"][valid], atol=1e-4, rtol=0)


def test_silence_is_finite_and_a_recording_shorter_than_a_frame_is_one_token():
    features, mask = LogMelGraph(num_mel_bins=80, stride=2, padding_value=0.0)(
        torch.zeros(2, 1600), torch.tensor([1600, 3])
    )
    assert features.isfinite().all()
    assert mask.sum(1).tolist() == [4, 1]
