"""The automatic-speech-recognition pipeline compared with that of transformers."""

import json
from copy import deepcopy
from functools import cache

import numpy as np
import peft
import pytest
import torch
import transformers

import photism
from photism import AutomaticSpeechRecognitionPipeline, InputError, Transcriber, pipeline
from tests.support.ctc_tokenizers import LAYOUTS, load_layout
from tests.support.tiny_ctc import CONVOLUTIONS, HEAD_GAIN, SIZES

NAMES = ("w2v-bert", "w2v-bert-adapter", "wav2vec2", "xlsr", "hubert")


@pytest.fixture(scope="module")
def both(ctc_checkpoints):
    """Function that returns transformers' pipeline and ours for a checkpoint."""

    @cache
    def pipelines(name):
        arguments = {"model": str(ctc_checkpoints / name), "device": "cpu"}
        task = "automatic-speech-recognition"
        return transformers.pipeline(task, **arguments), pipeline(task, **arguments)

    return pipelines


@pytest.mark.parametrize("name", NAMES)
def test_text_and_times_are_those_of_transformers(both, recordings, name):
    theirs, ours = both(name)
    for arguments in ({}, {"return_timestamps": "char"}, {"return_timestamps": "word"}):
        expected = [theirs(recording.copy(), **arguments) for recording in recordings]
        assert ours(recordings, **arguments) == expected
        assert ours(recordings[0], **arguments) == expected[0]
        assert all(each["text"] for each in expected)
    assert json.loads(json.dumps(ours(recordings[0])))["text"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_text_and_times_are_those_of_transformers_with_any_tokenizer(recordings, tmp_path, name):
    tokenizer, size = load_layout(name, tmp_path), len(LAYOUTS[name].tokens)
    torch.manual_seed(0)
    model = transformers.Wav2Vec2ForCTC(
        transformers.Wav2Vec2Config(**SIZES, **CONVOLUTIONS, vocab_size=size, pad_token_id=tokenizer.pad_token_id)
    ).eval()
    with torch.no_grad():
        model.lm_head.weight *= HEAD_GAIN
    parts = {"model": model, "feature_extractor": transformers.Wav2Vec2FeatureExtractor(), "tokenizer": tokenizer}
    theirs = transformers.pipeline("automatic-speech-recognition", **parts, device="cpu")
    ours = pipeline("automatic-speech-recognition", **parts, device="cpu")
    has_word_times = hasattr(tokenizer, "_get_word_offsets")
    for timestamps in (None, "char", *(["word"] if has_word_times else [])):
        arguments = {"return_timestamps": timestamps} if timestamps else {}
        assert ours(recordings[2], **arguments) == theirs(recordings[2].copy(), **arguments)


@pytest.mark.parametrize(
    "name",
    ["w2v-bert", pytest.param("w2v-bert-adapter", marks=pytest.mark.slow), "wav2vec2",
     pytest.param("xlsr", marks=pytest.mark.slow), pytest.param("hubert", marks=pytest.mark.slow)],
)  # fmt: skip
@pytest.mark.parametrize(
    "lengths",
    [
        {"chunk_length_s": 0.5},
        {"chunk_length_s": 0.53, "stride_length_s": 0.07},
        {"chunk_length_s": 0.6, "stride_length_s": (0.1, 0.2)},
        {"chunk_length_s": 0.5, "stride_length_s": [0.2, 0]},
        {"chunk_length_s": 9},
        {"chunk_length_s": 0},
    ],
)
def test_chunks_are_those_of_transformers(both, recordings, name, lengths):
    theirs, ours = both(name)
    for recording in recordings:
        expected = theirs(recording.copy(), return_timestamps="char", **lengths)
        assert ours(recording, return_timestamps="char", **lengths) == expected
    assert ours(recordings, batch_size=2, **lengths) == [theirs(each.copy(), **lengths) for each in recordings]


def test_the_chunks_of_the_constructor_hold_unless_a_call_has_others(both, recordings):
    arguments = {"chunk_length_s": 0.5, "stride_length_s": 0.1, "return_timestamps": "word"}
    theirs, ours = both("xlsr")
    parts = {"feature_extractor": ours.feature_extractor, "tokenizer": ours.tokenizer}
    made = pipeline("automatic-speech-recognition", model=ours.model, **parts, **arguments, batch_size=2, device="cpu")
    assert made(recordings[2]) == theirs(recordings[2].copy(), **arguments)
    assert made(recordings[2], chunk_length_s=0, return_timestamps=False) == theirs(recordings[2].copy())


@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_a_stride_is_context_and_further_keys_come_back(both, recordings, rate):
    theirs, ours = both("wav2vec2")
    given = {"raw": recordings[2], "sampling_rate": 16_000, "stride": (3200, 6400), "partial": True, "id": 7}
    expected = theirs(dict(given))
    assert expected["partial"] == [True]
    if rate == 16_000:
        assert ours(given) == ours([given])[0] == expected
        assert list(ours(given)) == list(expected)
        chunked = theirs(dict(given), chunk_length_s=0.5)
        assert ours(given, chunk_length_s=0.5) == chunked
        assert len(chunked["id"]) > 1
    else:  # transformers needs torchaudio
        doubled = {**given, "raw": np.repeat(recordings[2], 2), "sampling_rate": 32_000, "stride": (6400, 12800)}
        assert len(ours(doubled)["text"]) == pytest.approx(len(expected["text"]), abs=5)
    with pytest.raises(InputError, match="stride must be two numbers of samples, together at most those of the record"):
        ours({**given, "stride": (20_000, 20_000)})
    assert given["stride"] == (3200, 6400)  # transformers empties the caller's dictionary


def test_inputs_of_every_form(both, recordings, sounds):
    from transformers.pipelines.pt_utils import KeyDataset

    _, ours = both("w2v-bert")
    rows = [{"audio": {"array": each, "sampling_rate": 16_000, "path": "gone.wav"}, "text": ""} for each in recordings]
    expected = [ours(recording) for recording in recordings]
    assert ours(inputs=recordings[0]) == ours(torch.from_numpy(recordings[0])) == expected[0]
    assert ours(rows) == list(ours(KeyDataset(rows, "audio"))) == list(ours(each for each in recordings)) == expected
    assert ours([str(sounds[0]), sounds[0].read_bytes()]) == [ours(sounds[0])] * 2


class Spelled(AutomaticSpeechRecognitionPipeline):
    def postprocess(self, model_outputs, **arguments):
        return {"text": "-".join(super().postprocess(model_outputs, **arguments)["text"])}


def test_a_subclass_has_stages_of_its_own(both, ctc_checkpoints, recordings, sounds):
    theirs, ours = both("w2v-bert")
    made = pipeline(model=ctc_checkpoints / "w2v-bert", device="cpu", pipeline_class=Spelled)
    assert made(recordings[2])["text"] == "-".join(theirs(recordings[2].copy())["text"])
    chunked = made([recordings[2]], chunk_length_s=0.5, batch_size=2)[0]["text"]
    assert chunked == "-".join(ours(recordings[2], chunk_length_s=0.5)["text"])
    assert len(made(str(sounds[2]))["text"]) > 10


@pytest.mark.parametrize("name", ["w2v-bert", "xlsr"])
def test_a_model_that_is_set_or_wrapped_is_used(both, ctc_checkpoints, recordings, name):
    texts = []
    for made in both(name):
        model, parts = made.model, {"feature_extractor": made.feature_extractor, "tokenizer": made.tokenizer}
        other = deepcopy(model)
        with torch.no_grad():
            other.lm_head.weight.neg_()
        targets = ["linear_q"] if name == "w2v-bert" else ["q_proj"]
        adapted = peft.get_peft_model(deepcopy(other), peft.LoraConfig(r=2, target_modules=targets))
        made.model = other
        texts.append([made(recordings[2].copy()), type(made)(model=adapted, **parts)(recordings[2].copy())])
        made.model = model
        texts[-1].append(made(recordings[2].copy()))
    assert texts[0] == texts[1]
    assert texts[0][0] != texts[0][2]


def test_by_hand_with_the_model_of_transformers(ctc_checkpoints, recordings):
    folder = ctc_checkpoints / "w2v-bert"
    model = transformers.Wav2Vec2BertForCTC.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    parts = {"feature_extractor": processor.feature_extractor, "tokenizer": processor.tokenizer}
    documented = {"device": -1, "framework": "pt", "modelcard": None, "args_parser": None, "num_workers": 8}
    made = AutomaticSpeechRecognitionPipeline(model=model, **parts, **documented)
    theirs = transformers.AutomaticSpeechRecognitionPipeline(model=model, **parts, device=-1)
    assert made(recordings) == [theirs(each.copy()) for each in recordings]
    assert isinstance(made.model, photism.Wav2Vec2BertForCTC)
    assert isinstance(made, transformers.Pipeline)
    assert AutomaticSpeechRecognitionPipeline(model, processor=processor)(recordings) == made(recordings)
    by_transformers = transformers.pipeline(
        "automatic-speech-recognition", model=str(folder), device=-1, pipeline_class=AutomaticSpeechRecognitionPipeline
    )
    assert by_transformers(recordings) == made(recordings)


def test_special_tokens_are_part_of_the_text(ctc_checkpoints, recordings):
    theirs = transformers.pipeline("automatic-speech-recognition", model=str(ctc_checkpoints / "xlsr"), device="cpu")
    with torch.no_grad():
        theirs.model.lm_head.bias[3] = 10
    made = AutomaticSpeechRecognitionPipeline(theirs.model, theirs.feature_extractor, theirs.tokenizer, device=-1)
    assert "<unk>" in made(recordings[0])["text"]
    assert made(recordings[0]) == theirs(recordings[0].copy())


def test_a_batch_has_the_text_of_its_recordings_without_that_of_padding(both, recordings):
    theirs, ours = both("xlsr")
    alone = [theirs(each.copy()) for each in recordings]
    assert theirs([each.copy() for each in recordings], batch_size=3) != alone  # transformers decodes padding
    assert ours(recordings, batch_size=3) == alone


def test_a_last_token_that_is_half_padding_is_not_decoded(both, recordings):
    theirs, ours = both("w2v-bert")
    even, odd = recordings[0][: 400 + 39 * 160], recordings[0][: 400 + 40 * 160]
    assert ours(even) == theirs(even.copy())
    assert theirs(odd.copy(), return_timestamps="char")["chunks"][-1]["timestamp"][1] == pytest.approx(0.42)
    assert ours(odd, return_timestamps="char")["chunks"][-1]["timestamp"][1] <= 0.4


def test_a_recording_that_is_context_alone_has_no_text(both, recordings):
    given = {"raw": recordings[0], "sampling_rate": 16_000, "stride": (8000, 8000)}
    theirs, ours = both("xlsr")
    assert ours(given, return_timestamps="word") == theirs(dict(given), return_timestamps="word")
    assert ours(given)["text"] == ""


def test_a_recording_that_does_not_fit_into_memory_has_the_windows_of_the_transcriber(both, recordings, monkeypatch):
    _, ours = both("wav2vec2")
    whole = ours(recordings[2])["text"]
    monkeypatch.setattr("photism.listening.transcription.emissions.MAX_WHOLE_S", 1.2)
    found = ours(recordings)[2]["text"]
    assert found != whole
    assert found.split() == Transcriber(ours._acoustic_model)(recordings[2]).text.split()


def test_each_recording_of_an_iterator_is_computed_before_the_next_is_taken(both, recordings):
    taken = []

    def microphone():
        for recording in recordings:
            taken.append(recording)
            yield recording

    _, ours = both("w2v-bert")
    stream = ours(microphone())
    for count, expected in enumerate([ours(each) for each in recordings], start=1):
        assert next(stream) == expected
        assert len(taken) == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"return_timestamps": True}, 'return_timestamps must be "char" or "word" with a CTC model; got True'),
        (
            {"chunk_length_s": 1, "stride_length_s": 0.5},
            "stride_length_s for both ends must be less than chunk_length_s=1",
        ),
        ({"generate_kwargs": {"language": "de"}}, "generate_kwargs is not supported: a CTC model does not generate"),
        ({"return_language": True}, "return_language is not supported: a CTC model does not predict the language"),
        ({"decoder_kwargs": {"beam_width": 2}}, r"decoder_kwargs is not supported: .*language_model=…\), or hot_words"),
    ],
)
def test_bad_arguments(both, recordings, arguments, message):
    _, ours = both("wav2vec2")
    with pytest.raises(InputError, match=message):
        ours(recordings[0], **arguments)


def test_models_and_parts_that_do_not_fit(both, classifiers):
    _, ours = both("wav2vec2")
    parts = {"feature_extractor": ours.feature_extractor, "tokenizer": ours.tokenizer}
    whisper = transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                                   decoder_attention_heads=2, vocab_size=16, pad_token_id=0, num_mel_bins=8)
    )  # fmt: skip
    with pytest.raises(
        InputError, match=r"is a sequence-to-sequence model, such as Whisper; .* use transformers for it"
    ):
        AutomaticSpeechRecognitionPipeline(whisper, **parts)
    classifier = transformers.AutoModelForAudioClassification.from_pretrained(classifiers("xlsr"))
    with pytest.raises(
        InputError, match=r"must be a model ForCTC, but is a .*Classification: it classifies recordings"
    ):
        AutomaticSpeechRecognitionPipeline(classifier, **parts)
    with pytest.raises(InputError, match="feature_extractor and tokenizer must be given, or a processor"):
        AutomaticSpeechRecognitionPipeline(ours.model, feature_extractor=ours.feature_extractor)
    with pytest.raises(InputError, match=r"decoder is not supported: .* by Transcriber"):
        AutomaticSpeechRecognitionPipeline(ours.model, **parts, decoder=object())
