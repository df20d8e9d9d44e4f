import shutil
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch

from photism.audio.log_mel import log_mel
from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.training.data import feature_cache as preparation
from photism.training.data.feature_cache import prepare_corpus
from photism.training.data.feature_dataset import Corpus, FeatureSettings, evenly
from photism.training.data.readers import Example, read_examples

SETTINGS = FeatureSettings()


def examples_of(folder) -> list[Example]:
    return list(read_examples(str(folder), lambda row: (row["text"],)))


def test_features_are_those_of_log_mel(captioned, tmp_path):
    corpus = prepare_corpus(examples_of(captioned), tmp_path, settings=SETTINGS)
    assert len(corpus) == 18
    assert corpus.split("validation") == [0, 7, 14]
    features, mask = corpus.batch([(3, 0, None), (17, 5, 8)])
    expected, valid = log_mel([load_waveform(captioned / f"{number}.wav") for number in (3, 17)])
    assert mask.sum(1).tolist() == [int(valid[0].sum()), 8]
    torch.testing.assert_close(features[0][mask[0].bool()], expected[0][valid[0].bool()], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(features[1, :8], expected[1, 5:13], atol=2e-3, rtol=1e-3)
    assert not features[1, 8:].any()
    assert corpus.clips[3].duration_s == pytest.approx(0.65)


def test_prepared_once(captioned, tmp_path, monkeypatch):
    examples = examples_of(captioned)
    clips = prepare_corpus(examples, tmp_path, settings=SETTINGS).clips
    monkeypatch.setattr(preparation, "load_waveform", None)
    assert prepare_corpus(examples, tmp_path, settings=SETTINGS).clips == Corpus(tmp_path).clips == clips


def test_what_was_stopped_goes_on_after_its_last_shard(captioned, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "SHARD_CLIPS", 5)
    monkeypatch.setattr(preparation, "DECODED_AT_ONCE", 2)
    examples = examples_of(captioned)
    whole = prepare_corpus(examples, tmp_path / "whole", settings=SETTINGS)

    def broken(examples):
        yield from examples[:12]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(broken(examples), tmp_path / "part", settings=SETTINGS)
    decoded = []
    load = preparation.load_waveform
    monkeypatch.setattr(preparation, "load_waveform", lambda sound: decoded.append(sound) or load(sound))
    part = prepare_corpus(examples, tmp_path / "part", settings=SETTINGS)
    assert len(decoded) == 8  # of 18, without two shards of five
    assert part.clips == whole.clips
    for index in range(18):
        np.testing.assert_array_equal(part.features(index), whole.features(index))


def test_parts_of_a_sound(captioned, tmp_path):
    (example,) = examples_of(captioned)[17:]
    parts = [
        replace(example, start_s=0.2, end_s=0.7),
        replace(example, start_s=0.5),
        replace(example, name="outside", start_s=2.0),
        replace(example, name="turned", start_s=0.5, end_s=0.4),
    ]
    corpus = prepare_corpus(parts, tmp_path, settings=SETTINGS, max_unreadable=0.5)
    assert [clip.duration_s for clip in corpus.clips] == pytest.approx([0.5, 0.85])
    samples = load_waveform(captioned / "17.wav").samples[3200:11200]
    expected, mask = log_mel([samples])
    found = torch.from_numpy(corpus.features(0).astype(np.float32))
    torch.testing.assert_close(found, expected[0, : int(mask.sum())], atol=2e-3, rtol=1e-3)
    assert [name for name, _ in corpus.unreadable] == ["outside", "turned"]
    assert "within the 1.35 s of the sound; got 2 to 1.35" in corpus.unreadable[0][1]


def test_what_cannot_be_read_is_listed_up_to_a_limit(captioned, tmp_path):
    (tmp_path / "text.wav").write_text("this is no sound")
    examples = [
        *examples_of(captioned),
        Example("text.wav", tmp_path / "text.wav", ("a dog",)),
        Example("gone.wav", tmp_path / "gone.wav", ("a dog",)),
        Example("silent.wav", captioned / "0.wav", ()),
        Example("missing.wav", None, ("a dog",)),
    ]
    corpus = prepare_corpus(examples, tmp_path / "a", settings=SETTINGS, max_unreadable=4 / 22, text="caption")
    assert len(corpus) == 18
    reasons = dict(corpus.unreadable)
    assert list(reasons) == ["text.wav", "gone.wav", "silent.wav", "missing.wav"]
    assert "no such file" in reasons["gone.wav"]
    assert reasons["silent.wav"] == "it has no caption"
    assert reasons["missing.wav"] == "it has no sound"
    assert len(prepare_corpus(examples, tmp_path / "e", settings=SETTINGS, max_unreadable=0.5, text=None)) == 19
    with pytest.raises(InputError, match=r"data has 4 sounds of 22 .* max_unreadable=0.1 "):
        prepare_corpus(examples, tmp_path / "a", settings=SETTINGS, max_unreadable=0.1)
    with pytest.raises(InputError, match=r"data has 4 sounds of 22 .* max_unreadable=0.18 .*text.wav: .*; gone.wav: "):
        prepare_corpus(examples, tmp_path / "b", settings=SETTINGS, max_unreadable=0.18)
    with pytest.raises(InputError, match=r"sounds that can be read; text.wav"):
        prepare_corpus(examples[18:], tmp_path / "c", settings=SETTINGS, max_unreadable=1)
    with pytest.raises(InputError, match="data holds no sounds"):
        prepare_corpus([], tmp_path / "d", settings=SETTINGS)


def test_too_many_that_cannot_be_read_are_refused_again_until_they_can(captioned, tmp_path):
    gone = tmp_path / "gone.wav"
    examples = [*examples_of(captioned), Example("gone.wav", gone, ("a dog",))]
    for _ in range(3):
        with pytest.raises(InputError, match=r"data has 1 sounds of 19 that cannot be read, more than"):
            prepare_corpus(examples, tmp_path / "a", settings=SETTINGS)
    shutil.copy(captioned / "0.wav", gone)
    assert len(prepare_corpus(examples, tmp_path / "a", settings=SETTINGS)) == 19


def test_shards_that_another_share_was_allowed(captioned, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "SHARD_CLIPS", 5)
    examples = [Example("gone.wav", tmp_path / "gone.wav", ("a dog",)), *examples_of(captioned)[:9]]

    def broken(examples):
        yield from examples[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(broken(examples), tmp_path / "a", settings=SETTINGS, max_unreadable=0.5)
    with pytest.raises(InputError, match=r"data has 1 sounds of 5 that cannot be read, more than max_unreadable=0.05"):
        prepare_corpus(examples[:5], tmp_path / "a", settings=SETTINGS)


def test_a_split_is_chosen_by_name(captioned, tmp_path):
    sound = captioned / "0.wav"
    examples = [Example(f"{number}.wav", sound, ("a dog",)) for number in range(200)]
    first = prepare_corpus(examples, tmp_path / "a", settings=SETTINGS, validation_share=0.2)
    second = prepare_corpus(examples[::-1], tmp_path / "b", settings=SETTINGS, validation_share=0.2)
    assert {clip.name: clip.split for clip in first.clips} == {clip.name: clip.split for clip in second.clips}
    assert 25 <= len(first.split("validation")) <= 55
    assert not prepare_corpus(examples[:20], tmp_path / "c", settings=SETTINGS, validation_share=0).split("validation")


def test_clips_are_spread_evenly():
    clips = list(range(100, 200))
    assert evenly(clips, 1000) == clips
    assert evenly(clips, 4) == [100, 125, 150, 175]


def test_the_sound_of_a_video(tmp_path):
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
    (clip,) = prepare_corpus([Example("film", path, ("a tone",))], tmp_path / "c", settings=SETTINGS).clips
    assert clip.duration_s == pytest.approx(1, abs=0.1)


def test_other_features(captioned, tmp_path):
    settings = FeatureSettings(num_mel_bins=40, stride=4)
    corpus = prepare_corpus(examples_of(captioned)[:2], tmp_path, settings=settings)
    assert corpus.features(0).shape == (int(0.5 * settings.tokens_per_s), 160)
    with wave.open(str(captioned / "0.wav")) as file:
        assert file.getnframes() == 8000
