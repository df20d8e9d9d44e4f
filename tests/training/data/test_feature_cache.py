import shutil
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch

from photism.audio.log_mel import log_mel
from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.training.data import feature_cache
from photism.training.data.example import Example
from photism.training.data.feature_cache import PreparationSettings, prepare_dataset
from photism.training.data.feature_dataset import FeatureDataset, FeatureSettings, evenly_spaced
from photism.training.data.readers import read_examples

FEATURES = FeatureSettings()


def prepare(examples, folder, *, features=FEATURES, **settings) -> FeatureDataset:
    return prepare_dataset(examples, folder, PreparationSettings(features=features, **settings))


def examples_of(folder) -> list[Example]:
    return list(read_examples(str(folder), lambda row: (row["text"],)))


def test_features_are_those_of_log_mel(captioned, tmp_path):
    dataset = prepare(examples_of(captioned), tmp_path)
    assert len(dataset) == 18
    assert dataset.split("validation") == [0, 7, 14]
    features, mask = dataset.batch([(3, 0, None), (17, 5, 8)])
    expected, valid = log_mel([load_waveform(captioned / f"{number}.wav") for number in (3, 17)])
    assert mask.sum(1).tolist() == [int(valid[0].sum()), 8]
    torch.testing.assert_close(features[0][mask[0].bool()], expected[0][valid[0].bool()], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(features[1, :8], expected[1, 5:13], atol=2e-3, rtol=1e-3)
    assert not features[1, 8:].any()
    assert dataset.clips[3].duration_s == pytest.approx(0.65)


def test_a_data_set_is_prepared_once(captioned, tmp_path, monkeypatch):
    examples = examples_of(captioned)
    clips = prepare(examples, tmp_path).clips
    monkeypatch.setattr(feature_cache, "load_waveform", None)
    assert prepare(examples, tmp_path).clips == FeatureDataset(tmp_path).clips == clips


def test_an_interrupted_preparation_resumes_after_its_last_shard(captioned, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SHARD_CLIPS", 5)
    monkeypatch.setattr(feature_cache, "DECODED_AT_ONCE", 2)
    examples = examples_of(captioned)
    whole = prepare(examples, tmp_path / "whole")

    def broken(examples):
        yield from examples[:12]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(broken(examples), tmp_path / "part")
    decoded = []
    load = feature_cache.load_waveform
    monkeypatch.setattr(feature_cache, "load_waveform", lambda sound: decoded.append(sound) or load(sound))
    part = prepare(examples, tmp_path / "part")
    assert len(decoded) == 8  # of 18, without two shards of five
    assert part.clips == whole.clips
    for index in range(18):
        np.testing.assert_array_equal(part.features(index), whole.features(index))


def test_segments_of_a_recording(captioned, tmp_path):
    (example,) = examples_of(captioned)[17:]
    parts = [
        replace(example, start_s=0.2, end_s=0.7),
        replace(example, start_s=0.5),
        replace(example, name="outside", start_s=2.0),
        replace(example, name="turned", start_s=0.5, end_s=0.4),
    ]
    dataset = prepare(parts, tmp_path, max_unreadable=0.5)
    assert [clip.duration_s for clip in dataset.clips] == pytest.approx([0.5, 0.85])
    samples = load_waveform(captioned / "17.wav").samples[3200:11200]
    expected, mask = log_mel([samples])
    found = torch.from_numpy(dataset.features(0).astype(np.float32))
    torch.testing.assert_close(found, expected[0, : int(mask.sum())], atol=2e-3, rtol=1e-3)
    assert [name for name, _ in dataset.unreadable] == ["outside", "turned"]
    assert "the segment starts at 2 s, but the recording ends at 1.35 s" in dataset.unreadable[0][1]


def test_a_segment_has_all_its_samples(captioned, tmp_path):
    (example,) = examples_of(captioned)[17:]
    samples = load_waveform(example.sound).samples
    to_end, from_array = replace(example, end_s=18197 / 16000), {"array": samples, "sampling_rate": 16000}
    parts = [to_end, replace(to_end, sound=example.sound.read_bytes()), replace(to_end, sound=from_array)]
    dataset = prepare(parts, tmp_path)
    assert [clip.duration_s * 16000 for clip in dataset.clips] == [18197] * 3
    assert len({clip.digest for clip in dataset.clips}) == 1


def test_unreadable_recordings_are_listed_up_to_a_limit(captioned, tmp_path):
    (tmp_path / "text.wav").write_text("this is no sound")
    examples = [
        *examples_of(captioned),
        Example("text.wav", tmp_path / "text.wav", ("a dog",)),
        Example("gone.wav", tmp_path / "gone.wav", ("a dog",)),
        Example("silent.wav", captioned / "0.wav", ()),
        Example("missing.wav", None, ("a dog",)),
    ]
    dataset = prepare(examples, tmp_path / "a", max_unreadable=4 / 22, required="caption")
    assert len(dataset) == 18
    reasons = dict(dataset.unreadable)
    assert list(reasons) == ["text.wav", "gone.wav", "silent.wav", "missing.wav"]
    assert "no such file" in reasons["gone.wav"]
    assert reasons["silent.wav"] == "it has no caption"
    assert reasons["missing.wav"] == "it has no recording"
    assert len(prepare(examples, tmp_path / "e", max_unreadable=0.5, required=None)) == 19
    with pytest.raises(InputError, match=r"4 of the 22 recordings .* max_unreadable=0.1 "):
        prepare(examples, tmp_path / "a", max_unreadable=0.1)
    with pytest.raises(InputError, match=r"4 of the 22 recordings .* max_unreadable=0.18 .*text.wav: .*; gone.wav: "):
        prepare(examples, tmp_path / "b", max_unreadable=0.18)
    with pytest.raises(InputError, match=r"data has no readable recordings: text.wav"):
        prepare(examples[18:], tmp_path / "c", max_unreadable=1)
    with pytest.raises(InputError, match="data has no recordings"):
        prepare([], tmp_path / "d")


def test_too_many_that_cannot_be_read_are_refused_again_until_they_can(captioned, tmp_path):
    gone = tmp_path / "gone.wav"
    examples = [*examples_of(captioned), Example("gone.wav", gone, ("a dog",))]
    for _ in range(3):
        with pytest.raises(InputError, match=r"1 of the 19 recordings in data are unreadable, more than"):
            prepare(examples, tmp_path / "a")
    shutil.copy(captioned / "0.wav", gone)
    assert len(prepare(examples, tmp_path / "a")) == 19


def test_the_limit_of_unreadable_recordings_may_be_lowered_later(captioned, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SHARD_CLIPS", 5)
    examples = [Example("gone.wav", tmp_path / "gone.wav", ("a dog",)), *examples_of(captioned)[:9]]

    def broken(examples):
        yield from examples[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(broken(examples), tmp_path / "a", max_unreadable=0.5)
    with pytest.raises(
        InputError, match=r"1 of the 5 recordings in data are unreadable, more than max_unreadable=0.05"
    ):
        prepare(examples[:5], tmp_path / "a")


def test_a_split_is_chosen_by_name(captioned, tmp_path):
    sound = captioned / "0.wav"
    examples = [Example(f"{number}.wav", sound, ("a dog",)) for number in range(200)]
    first = prepare(examples, tmp_path / "a", validation_share=0.2)
    second = prepare(examples[::-1], tmp_path / "b", validation_share=0.2)
    assert {clip.name: clip.split for clip in first.clips} == {clip.name: clip.split for clip in second.clips}
    assert 25 <= len(first.split("validation")) <= 55
    assert not prepare(examples[:20], tmp_path / "c", validation_share=0).split("validation")


def test_evenly_spaced_clips_spaced():
    clips = list(range(100, 200))
    assert evenly_spaced(clips, 1000) == clips
    assert evenly_spaced(clips, 4) == [100, 125, 150, 175]


def test_the_audio_of_a_video(tmp_path):
    import av

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        picture, sound = film.add_stream("mpeg4", rate=10), film.add_stream("aac", rate=16_000, layout="mono")
        picture.width = picture.height = 32
        for _ in range(10):
            film.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        film.mux(picture.encode())
        tone = np.sin(np.arange(16_000) * 0.2).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        frame.sample_rate = 16_000
        film.mux(sound.encode(frame))
        film.mux(sound.encode())
    (clip,) = prepare([Example("film", path, ("a tone",))], tmp_path / "c").clips
    assert clip.duration_s == pytest.approx(1, abs=0.1)


def test_other_feature_settings(captioned, tmp_path):
    settings = FeatureSettings(num_mel_bins=40, stride=4)
    dataset = prepare(examples_of(captioned)[:2], tmp_path, features=settings)
    assert dataset.features(0).shape == (int(0.5 * settings.tokens_per_s), 160)
    with wave.open(str(captioned / "0.wav")) as file:
        assert file.getnframes() == 8000
