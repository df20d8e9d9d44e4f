"""The feature extractor and the processor compared with transformers'."""

import inspect
import json
import warnings

import numpy as np
import pytest
import torch
import transformers
from transformers import SeamlessM4TFeatureExtractor, Trainer, TrainingArguments
from transformers.utils import PaddingStrategy, TensorType

from photism import InputError, Waveform
from photism.audio.writing import write_waveform
from photism.encoder.processor import Wav2Vec2BertFeatureExtractor, Wav2Vec2BertProcessor
from tests.encoder.reference import pair

RATE = 16_000
LENGTHS = (8_000, 3_003, 5_600)  # 48, 17 and 33 frames


def noise(length, seed=0):
    return (np.random.default_rng(seed).standard_normal(length) * 0.1).astype(np.float32)


RECORDINGS = [noise(length, seed) for seed, length in enumerate(LENGTHS)]
STEREO = np.stack([noise(4_000, 5), noise(4_000, 6)])


def assert_equal(found, expected):
    """Compare all that two extractors return: names, types, shapes and values."""
    assert list(found) == list(expected)
    for name, wanted in expected.items():
        assert type(found[name]) is type(wanted)
        assert found[name].dtype == wanted.dtype
        torch.testing.assert_close(torch.as_tensor(found[name]), torch.as_tensor(wanted), atol=2e-5, rtol=0)


def both(raw_speech, *, settings=None, **arguments):
    """Return what ours and transformers' extractor return for the same arguments."""
    settings = {"padding_value": 1.0} | (settings or {})
    arguments = {"sampling_rate": settings.get("sampling_rate", RATE), "return_tensors": "pt"} | arguments
    return (
        Wav2Vec2BertFeatureExtractor(**settings)(raw_speech, **arguments),
        SeamlessM4TFeatureExtractor(**settings)(raw_speech, **arguments),
    )


def test_the_arguments_and_their_defaults_are_those_of_transformers():
    for method in ("__init__", "__call__"):
        ours, theirs = (
            {
                name: p.default
                for name, p in inspect.signature(getattr(c, method)).parameters.items()
                if p.kind != p.VAR_KEYWORD
            }
            for c in (Wav2Vec2BertFeatureExtractor, SeamlessM4TFeatureExtractor)
        )
        assert ours.pop("device") is None
        assert list(ours.items()) == list(theirs.items())


@pytest.mark.parametrize("multiple", [None, 1, 2, 3, 16])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding": "longest"},
        {"padding": PaddingStrategy.LONGEST, "max_length": 20},
        {"padding": "max_length", "max_length": 375},
        {"padding": "max_length", "max_length": 375, "truncation": True},
        {"padding": "max_length", "max_length": 25, "truncation": True},
        {"padding": "longest", "max_length": 25, "truncation": True},
        {"padding": "longest", "max_length": 40, "truncation": True},
        {"max_length": 12, "truncation": True, "padding": False},
        {"return_attention_mask": False},
        {"return_attention_mask": True},
        {"do_normalize_per_mel_bins": False},
        {"do_normalize_per_mel_bins": None},
        {"return_tensors": "np"},
        {"return_tensors": TensorType.NUMPY},
        {"return_tensors": None},
    ],
    ids=str,
)
def test_every_argument_has_the_effect_that_it_has_in_transformers(arguments, multiple):
    assert_equal(*both(RECORDINGS, pad_to_multiple_of=multiple, **arguments))


@pytest.mark.parametrize("padding", [True, False, "longest", "do_not_pad"])
@pytest.mark.parametrize("multiple", [None, 2, 5])
def test_a_single_recording(padding, multiple):
    assert_equal(*both(RECORDINGS[1], padding=padding, pad_to_multiple_of=multiple))


@pytest.mark.filterwarnings("ignore:a tensor of two axes|an array of two axes")
@pytest.mark.parametrize(
    "raw_speech",
    [
        RECORDINGS[0],
        RECORDINGS[0].astype(np.float64),
        RECORDINGS[1].tolist(),
        list(RECORDINGS[1]),
        torch.from_numpy(RECORDINGS[0]),
        torch.from_numpy(RECORDINGS[0])[None],  # as torchaudio.load returns it
        RECORDINGS[0][None],
        STEREO,
        STEREO.repeat(5, axis=0),
        torch.from_numpy(STEREO),
        [STEREO, RECORDINGS[0]],
        [torch.from_numpy(STEREO)],
        (RECORDINGS[0], RECORDINGS[1]),
        [recording.tolist() for recording in RECORDINGS],
        [[STEREO[0].tolist(), STEREO[1].tolist()]],
        np.stack([STEREO, -STEREO]),
    ],
    ids=lambda raw: f"{type(raw).__name__}{getattr(raw, 'shape', '')}",
)
def test_the_axes_are_read_as_transformers_reads_them(raw_speech):
    assert_equal(*both(raw_speech))


def test_a_tensor_of_three_axes_is_a_batch_which_fails_in_transformers():
    raw_speech = torch.from_numpy(np.stack([STEREO, -STEREO]))
    extractor = Wav2Vec2BertFeatureExtractor()
    found = extractor(raw_speech, sampling_rate=RATE, return_tensors="pt")
    assert_equal(found, extractor(raw_speech.numpy(), sampling_rate=RATE, return_tensors="pt"))


@pytest.mark.parametrize("sampling_rate", [4_000, 8_000, 24_000, 48_000])
def test_the_rate_of_the_configuration(sampling_rate):
    settings = {"sampling_rate": sampling_rate, "feature_size": 20, "num_mel_bins": 20}
    assert_equal(*both(RECORDINGS, settings=settings))


def test_files_and_mappings_are_resampled_to_the_rate_of_the_configuration(tmp_path):
    extractor = Wav2Vec2BertFeatureExtractor(sampling_rate=8_000)
    recording = noise(8_000)
    expected = extractor(recording, sampling_rate=8_000, return_tensors="pt")
    mapping = {"array": recording, "sampling_rate": 8_000}
    write_waveform(recording, tmp_path / "a.wav", sampling_rate=8_000, title="", about={})
    found = extractor([mapping, str(tmp_path / "a.wav")], return_tensors="pt")
    torch.testing.assert_close(found.input_features[:1], expected.input_features)
    torch.testing.assert_close(found.input_features[1:], expected.input_features, atol=0.02, rtol=0)  # 16 bits
    waveform = Waveform(noise(RATE))
    tokens = extractor(waveform, return_tensors="pt").input_features.shape[1]
    assert tokens == expected.input_features.shape[1]  # both are 1 s


def test_samples_of_another_rate_are_resampled_where_transformers_raises():
    with pytest.raises(ValueError, match="was trained using a sampling rate of"):
        SeamlessM4TFeatureExtractor()(RECORDINGS[0], sampling_rate=8_000)
    found = Wav2Vec2BertFeatureExtractor()(RECORDINGS[0], sampling_rate=8_000, return_tensors="pt")
    assert found.input_features.shape[1] == 49  # 8000 samples are 1 s


def test_the_longer_axis_is_time():
    extractor = Wav2Vec2BertFeatureExtractor()
    found = extractor([STEREO.T, STEREO], sampling_rate=RATE, return_tensors="pt").input_features
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize("return_tensors", [None, "np", "pt"])
def test_recordings_of_different_lengths_without_padding(return_tensors):
    """transformers fails, as it stacks the features to tokens in one array."""
    arguments = {"sampling_rate": RATE, "padding": False, "return_tensors": return_tensors}
    with pytest.raises(ValueError, match="not enough values to unpack"):
        SeamlessM4TFeatureExtractor()(RECORDINGS, **arguments)
    extractor = Wav2Vec2BertFeatureExtractor()
    if return_tensors is not None:
        with pytest.raises(InputError, match=r"needs recordings of one length, but they have 8 to 24 tokens; pad them"):
            extractor(RECORDINGS, **arguments)
        return
    found = extractor(RECORDINGS, **arguments)
    for index, recording in enumerate(RECORDINGS):
        alone = extractor(recording, sampling_rate=RATE, padding=False)
        np.testing.assert_allclose(found["input_features"][index], alone["input_features"][0], atol=1e-6)
        assert found["attention_mask"][index].tolist() == alone["attention_mask"][0].tolist()


def test_padding_on_the_left_gives_a_recording_the_tokens_that_it_has_alone():
    """transformers pads frames, not tokens: a recording of an odd number of frames has other tokens in a batch."""
    even = [noise(8_000), noise(5_440)]  # 48 and 32 frames
    assert_equal(*both(even, settings={"padding_side": "left"}))
    extractor = Wav2Vec2BertFeatureExtractor(padding_side="left", padding_value=1.0)
    found = extractor(RECORDINGS, sampling_rate=RATE, return_tensors="pt", padding="max_length", max_length=60)
    assert found.input_features.shape == (3, 30, 160)
    for index, recording in enumerate(RECORDINGS):
        alone = extractor(recording, sampling_rate=RATE, return_tensors="pt", padding=False).input_features[0]
        torch.testing.assert_close(found.input_features[index, -len(alone) :], alone, atol=1e-6, rtol=0)
        assert found.attention_mask[index].tolist() == [0] * (30 - len(alone)) + [1] * len(alone)


def test_the_mask_can_be_turned_off_in_the_configuration():
    assert_equal(*both(RECORDINGS, settings={"return_attention_mask": False}))
    assert_equal(*both(RECORDINGS, settings={"return_attention_mask": False}, return_attention_mask=True))


def test_a_batch_is_padded_as_transformers_pads_it():
    """`pad`, with which collators of fine-tuning notebooks batch features that were computed one by one."""
    features = [{"input_features": noise(160 * n).reshape(n, 160)} for n in (5, 9)]
    arguments = {"padding": "max_length", "max_length": 12, "return_tensors": "pt"}
    assert_equal(
        *(
            extractor(padding_value=1.0).pad([dict(each) for each in features], **arguments)
            for extractor in (Wav2Vec2BertFeatureExtractor, SeamlessM4TFeatureExtractor)
        )
    )


@pytest.mark.parametrize(
    ("raw_speech", "words"),
    [
        (torch.from_numpy(STEREO), "a tensor of two axes is read as the channels of one recording"),
        (STEREO, "an array of two axes is read as several recordings"),
    ],
)
def test_axes_of_two_meanings_are_warned_about(raw_speech, words):
    extractor = Wav2Vec2BertFeatureExtractor()
    with pytest.warns(UserWarning, match=words) as caught:
        extractor(raw_speech, sampling_rate=RATE)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "raw_speech", [RECORDINGS, [STEREO], STEREO.repeat(5, axis=0), RECORDINGS[0][None], torch.from_numpy(STEREO[:1])]
)
def test_axes_of_one_meaning_are_not_warned_about(raw_speech):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Wav2Vec2BertFeatureExtractor()(raw_speech, sampling_rate=RATE)


def test_a_missing_rate_and_unknown_arguments_are_warned_about():
    extractor = Wav2Vec2BertFeatureExtractor()
    with pytest.warns(UserWarning, match="sampling_rate is missing; samples are taken to be at 16000 Hz"):
        extractor(RECORDINGS)
    with pytest.warns(UserWarning, match="ignored unknown arguments: return_token_type_ids"):
        extractor(RECORDINGS, sampling_rate=RATE, return_token_type_ids=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"padding": "nonsense"}, 'padding must be True or "longest", "max_length", or .*; got \'nonsense\''),
        ({"padding": "max_length"}, "max_length is missing"),
        ({"truncation": True}, "max_length is missing"),
        ({"max_length": 0, "truncation": True}, "max_length must be at least 1; got 0"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of must be at least 1; got 0"),
        ({"return_tensors": "tf"}, "return_tensors must be one of pt, np, mlx, or None; got 'tf'"),
    ],
)
def test_arguments_without_a_meaning(arguments, words):
    with pytest.raises(InputError, match=words):
        Wav2Vec2BertFeatureExtractor()(RECORDINGS, sampling_rate=RATE, **arguments)


@pytest.mark.parametrize(
    ("raw_speech", "words"),
    [
        ([], "raw_speech must have at least one recording; got none"),
        (np.zeros((1, 1, 1, 800), np.float32), r"at most three axes, .*; got \(1, 1, 1, 800\)"),
        (
            np.zeros((RATE, 2), np.float32),
            r"shape \(16000, 2\) is 16000 recordings of 2 samples, .*; give \[raw_speech\]",
        ),
        ([noise(399)], r"waveforms\[0\] must have at least 400 samples"),
        ([RECORDINGS[0], np.full(800, np.nan)], r"waveforms\[1\] must hold finite samples"),
    ],
)
def test_recordings_without_features(raw_speech, words):
    with pytest.raises(InputError, match=words):
        Wav2Vec2BertFeatureExtractor()(raw_speech, sampling_rate=RATE)


def tokenizer(folder):
    (folder / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(["<pad>", "|", "<unk>", *"abcdefgh"])}))
    return transformers.Wav2Vec2CTCTokenizer(folder / "vocab.json", pad_token="<pad>", unk_token="<unk>")


def test_the_processor_takes_the_arguments_of_extractor_and_tokenizer(tmp_path):
    ours, theirs = (
        processor(extractor, tokenizer(tmp_path))
        for processor, extractor in (
            (Wav2Vec2BertProcessor, Wav2Vec2BertFeatureExtractor()),
            (transformers.Wav2Vec2BertProcessor, SeamlessM4TFeatureExtractor()),
        )
    )
    assert ours.model_input_names == theirs.model_input_names == ["input_features", "attention_mask", "labels"]
    arguments = {"sampling_rate": RATE, "padding": "max_length", "max_length": 375, "truncation": True}
    found, expected = (each(RECORDINGS[0], return_tensors="pt", **arguments) for each in (ours, theirs))
    assert found.input_features.shape == (1, 188, 160)
    assert_equal(found, expected)


def test_the_extractor_is_recognised_by_the_name_that_it_has_in_transformers():
    """As by `Wav2Vec2ProcessorWithLM`, which accepts two class names."""
    assert repr(Wav2Vec2BertFeatureExtractor(padding_value=1.0)) == repr(SeamlessM4TFeatureExtractor(padding_value=1.0))


def test_an_extractor_of_raw_samples_stays_in_a_processor(tmp_path):
    extractor = transformers.Wav2Vec2FeatureExtractor()
    assert Wav2Vec2BertProcessor(extractor, tokenizer(tmp_path)).feature_extractor is extractor


def test_trainer_groups_by_length_with_the_processor(tmp_path):
    model, _ = pair("ForCTC", feature_projection_input_dim=160)
    processor = Wav2Vec2BertProcessor(Wav2Vec2BertFeatureExtractor(), tokenizer(tmp_path))
    rows = [
        {
            "input_features": processor(recording, sampling_rate=RATE).input_features[0],
            "labels": processor(text="abba").input_ids,
        }
        for recording in RECORDINGS
    ]
    arguments = TrainingArguments(
        str(tmp_path / "out"),
        train_sampling_strategy="group_by_length",
        per_device_train_batch_size=1,
        max_steps=2,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
        disable_tqdm=True,
    )

    def collate(batch):
        padded = processor.pad([{"input_features": row["input_features"]} for row in batch], return_tensors="pt")
        return padded | {"labels": torch.tensor([row["labels"] for row in batch])}

    trained = Trainer(model, arguments, collate, train_dataset=rows, processing_class=processor).train()
    assert np.isfinite(trained.training_loss)
