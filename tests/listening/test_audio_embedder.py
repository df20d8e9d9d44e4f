"""Vectors of recordings and windows: the same as by hand from transformers' states, alone, in batches and in blocks."""

import numpy as np
import pytest
import torch
import transformers

from photism import CaptionRanker, InputError, SpeakerVerifier, Waveform
from photism.listening.audio_embedder import AudioEmbedder
from photism.listening.zero_shot import MIXTURE_TEMPERATURE
from photism.settings import SettingError
from tests.support.classifiers import make_extractor
from tests.support.long_recordings import encoded_in_windows, read_in_blocks
from tests.support.speaker_models import make_speaker_model

NEAR = {"rtol": 0, "atol": 2e-5}
NOISE = (0.1 * np.random.default_rng(0).standard_normal(61_234) * np.hanning(61_234)).astype(np.float32)
RECORDINGS = [Waveform(NOISE), Waveform(NOISE[:9000]), Waveform(NOISE[::-1].copy())]


@pytest.fixture(scope="module")
def tiny():
    """The embedder of the bundled model, which mixes memorised prompts, with captions."""
    return AudioEmbedder.from_pretrained(device="cpu", caption_count=3)


@pytest.fixture(scope="module")
def embedders(tiny, models, frame_classifier, x_vectors):
    """An embedder of each kind."""
    return {
        "mixture": tiny,
        "prompt": AudioEmbedder.from_pretrained(models / "sd", device="cpu"),
        "mean": AudioEmbedder.from_pretrained(frame_classifier, device="cpu"),
        "xvector": AudioEmbedder.from_pretrained(x_vectors, device="cpu"),
    }


KINDS = pytest.mark.parametrize("name", ["mixture", "prompt", "mean", "xvector"])


def test_the_kind_is_by_the_model(embedders):
    kinds = {name: embedder.kind for name, embedder in embedders.items()}
    assert kinds == {"mixture": "prompt", "prompt": "prompt", "mean": "mean", "xvector": "xvector"}


@KINDS
def test_vectors_have_unit_length_and_do_not_depend_on_the_batch(embedders, name, noises):
    embedder = embedders[name]
    alone = np.concatenate([embedder.embed(recording) for recording in noises])
    assert alone.shape == (len(noises), embedder.width)
    assert alone.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, rtol=1e-6)
    in_threes = AudioEmbedder(embedder.model, kind=embedder.kind, batch_size=3)
    np.testing.assert_allclose(in_threes.embed(noises), alone, **NEAR)


@KINDS
def test_recordings_that_are_read_in_blocks_have_the_same_vectors(embedders, name):
    with encoded_in_windows():
        held = embedders[name].embed(RECORDINGS)
    with read_in_blocks():
        np.testing.assert_allclose(embedders[name].embed(RECORDINGS), held, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -2, None])
def test_a_mean_is_that_of_the_hidden_states_of_transformers(tmp_path, layer, noises):
    folder = make_speaker_model(tmp_path, "AudioFrameClassification")
    embedder = AudioEmbedder.from_pretrained(folder, kind="mean", layer=layer, device="cpu", batch_size=3)
    model = transformers.Wav2Vec2BertModel.from_pretrained(folder).eval()
    extractor = make_extractor("bert")
    del noises[2]  # too short for transformers
    for vector, noise in zip(embedder.embed(noises), noises, strict=True):
        inputs = extractor(noise, sampling_rate=16_000, return_tensors="pt")
        features = inputs["input_features"][:, : int(inputs["attention_mask"].sum())]
        with torch.inference_mode():
            states = model(features, output_hidden_states=True).hidden_states[-1 if layer is None else layer]
        mean = states[0].mean(0)
        np.testing.assert_allclose(vector, mean / mean.norm(), **NEAR)


def test_an_adapter_does_not_change_the_mean(tmp_path, noises):
    plain = make_speaker_model(tmp_path / "plain", "AudioFrameClassification", num_hidden_layers=1)
    model = transformers.Wav2Vec2BertModel.from_pretrained(plain)
    config = transformers.Wav2Vec2BertConfig(**{**model.config.to_dict(), "add_adapter": True, "output_hidden_size": 8})
    with_adapter = transformers.Wav2Vec2BertModel(config)
    with_adapter.load_state_dict(model.state_dict(), strict=False)
    with_adapter.save_pretrained(tmp_path / "adapter")
    make_extractor("bert").save_pretrained(tmp_path / "adapter")
    one, other = (
        AudioEmbedder.from_pretrained(each, kind="mean", device="cpu") for each in (plain, tmp_path / "adapter")
    )
    np.testing.assert_array_equal(one.embed(noises[0]), other.embed(noises[0]))
    assert one.fingerprint == other.fingerprint


def test_x_vectors_are_those_of_speaker_verification(x_vectors, embedders, noises):
    verifier = SpeakerVerifier.from_pretrained(x_vectors, device="cpu")
    np.testing.assert_allclose(embedders["xvector"].embed(noises), verifier.embed(noises), **NEAR)


def test_the_cosine_of_a_text_and_a_recording_is_the_score_of_the_caption_but_for_their_lengths(tiny, sounds):
    texts = ["An owl.", "A dog.", "a banana"]
    ranker = tiny.model.ranker
    prompts = ranker.encoder.encode([*RECORDINGS, *sounds])
    cosines = tiny.embed([*RECORDINGS, *sounds]) @ tiny.embed_texts(texts).T
    # exp(score / T) = (Lᵀ·w)·(L⁻¹·k), whose lengths depend on the recording or on the text alone: a matrix of rank 1.
    exponentials = np.exp(ranker.score_prompts(prompts, captions=texts).numpy() / MIXTURE_TEMPERATURE)
    ratios = cosines / exponentials
    np.testing.assert_allclose(ratios * ratios[:1, :1], ratios[:, :1] * ratios[:1], rtol=1e-2)


def test_the_vectors_of_a_mixture_of_775_prompts_are_padded_to_a_multiple_of_8(tiny, sounds):
    assert tiny.width == 776
    assert not tiny.embed(sounds)[:, 775:].any()
    assert not tiny.embed_texts(["An owl."])[:, 775:].any()


def test_a_memorised_caption_is_the_text_that_is_nearest_to_it(tiny):
    captions = ["An owl.", "A dog.", "A banana."]
    vectors = tiny.embed_texts(captions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    similarity = vectors @ vectors.T
    assert (similarity.argmax(1) == np.arange(3)).all()


def test_without_memorised_prompts_a_vector_is_the_mean_direction_of_the_tokens(embedders, models, sounds):
    ranker = CaptionRanker.from_pretrained(models / "sd", device="cpu")
    tokens = ranker.encoder.encode(sounds).prompt_embeds[:, 1:]
    means = torch.nn.functional.normalize(tokens, dim=-1).mean(1)
    expected = torch.nn.functional.normalize(means, dim=-1).numpy()
    np.testing.assert_allclose(embedders["prompt"].embed(sounds), expected, **NEAR)
    assert embedders["prompt"].embed_texts(["Rain."]).shape == (1, embedders["prompt"].width)


def test_windows_are_those_of_label_and_each_has_the_vector_of_its_samples(embedders):
    embedder = embedders["mean"]
    (found,) = embedder.stream(RECORDINGS[0], window_s=1, hop_s=0.8, batch_size=2)
    assert found.windows == ((0, 1), (0.8, 1.8), (1.6, 2.6), (2.4, 3.4), (2.827125, 3.827125))
    assert found.duration_s == 61_234 / 16_000
    expected = embedder.embed([Waveform(NOISE[round(a * 16_000) : round(b * 16_000)]) for a, b in found.windows])
    np.testing.assert_allclose(found.vectors, expected, **NEAR)


def test_a_recording_no_longer_than_a_window_is_one_window(embedders):
    (found,) = embedders["mean"].stream(RECORDINGS[1], window_s=10)
    assert found.windows == ((0, 9000 / 16_000),)
    np.testing.assert_allclose(found.vectors, embedders["mean"].embed(RECORDINGS[1]), **NEAR)


def test_captions_and_what_is_known_come_with_the_vectors(tiny, sounds):
    ranker = tiny.model.ranker
    found = list(tiny.stream(sounds))
    assert [list(each.captions[0]) for each in found] == ranker.rank(sounds, top_k=3)
    assert [each.known for each in found] == [(each,) for each in ranker.encoder.encode(sounds).known]
    assert not any(each.level.is_silent for each in found)


def test_a_vector_without_a_direction_is_an_error(bare_encoder):
    embedder = AudioEmbedder.from_pretrained(bare_encoder, device="cpu")  # without biases; a single frame is zero
    errors = []
    found = list(embedder.stream([NOISE[:400], NOISE], on_error=lambda number, error: errors.append((number, error))))
    assert [each.number for each in found] == [1]
    assert [number for number, _ in errors] == [0]
    assert "lengths of the embeddings" in str(errors[0][1])


def test_silence_has_a_vector_unless_speakers_are_compared(embedders):
    silence = Waveform(np.zeros(8000, np.float32))
    with pytest.warns(UserWarning, match="there is nothing to hear"):
        (found,) = embedders["mean"].stream([silence])
    assert found.level.is_silent
    errors = []
    list(embedders["xvector"].stream([silence], on_error=lambda *given: errors.append(given)))
    assert [number for number, _ in errors] == [0]
    assert "there is nothing to hear" in str(errors[0][1])


@KINDS
def test_a_fingerprint_is_that_of_another_load_in_half_precision(embedders, name, models, frame_classifier, x_vectors):
    folder = {"mixture": None, "prompt": models / "sd", "mean": frame_classifier, "xvector": x_vectors}[name]
    half = AudioEmbedder.from_pretrained(folder, device="cpu", dtype="bfloat16")
    assert half.fingerprint == embedders[name].fingerprint
    vectors = half.embed(RECORDINGS)
    assert (vectors * embedders[name].embed(RECORDINGS)).sum(1).min() > 0.98


def test_fingerprints_differ_by_kind_and_layer(embedders, x_vectors):
    layers = [
        AudioEmbedder.from_pretrained(x_vectors, kind="mean", layer=layer, device="cpu") for layer in (0, 1, 2, -1)
    ]
    fingerprints = [each.fingerprint for each in layers]
    assert fingerprints[2] == fingerprints[3]
    assert len({*fingerprints, *(each.fingerprint for each in embedders.values())}) == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer": 3}, "layer must be from -3 to 2 for this model; got 3"),
        ({"layer": -4}, "layer must be from -3 to 2 for this model; got -4"),
        ({"layer": 1, "kind": "prompt"}, "layer needs kind mean; got prompt"),
        ({"diffusion": "some"}, "diffusion needs kind prompt; the vectors are of kind mean"),
        ({"kind": "xvector"}, "not a Wav2Vec2BertForXVector"),
        ({"kind": "prompt"}, "must be an AudioPromptEncoder"),
        ({"kind": "words"}, "kind must be one of prompt, mean, xvector"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_what_a_model_cannot_do_is_refused(frame_classifier, given, message):
    with pytest.raises(InputError, match=message):
        AudioEmbedder.from_pretrained(frame_classifier, device="cpu", **given)


def test_no_model_of_speakers_is_bundled():
    with pytest.raises(SettingError, match="model must be a Wav2Vec2BertForXVector for kind xvector: none is bundled"):
        AudioEmbedder.from_pretrained(kind="xvector")


@pytest.mark.parametrize(("texts", "message"), [([], "texts must be a list"), ("An owl.", "texts must be a list")])
def test_texts_must_be_a_list(tiny, texts, message):
    with pytest.raises(InputError, match=message):
        tiny.embed_texts(texts)


def test_texts_are_compared_with_prompts_alone(embedders):
    with pytest.raises(InputError, match="cannot be compared with vectors of kind 'mean'"):
        embedders["mean"].embed_texts(["An owl."])


def test_a_text_in_another_language_has_the_vector_of_the_caption_that_it_stands_for(tiny, embedders):
    texts = ["un hibou", "сова", "an owl"]
    meanings = tiny.find_meanings(texts)
    assert [None if each is None else each.captions for each in meanings] == [("An owl.",), ("An owl.",), None]
    vectors = tiny.embed_texts([*texts, "An owl."])
    np.testing.assert_allclose(vectors[:2], vectors[[3, 3]], **NEAR)
    assert embedders["prompt"].find_meanings(["un hibou"]) == [None]


def test_a_literal_text_is_left_to_the_text_encoder(tiny, monkeypatch):
    literal = tiny.embed_texts(["un hibou"], literal=True)
    assert not np.allclose(literal, tiny.embed_texts(["un hibou"]), atol=0.01)
    monkeypatch.setattr(tiny.model.ranker.translations, "languages", ())
    np.testing.assert_allclose(literal, tiny.embed_texts(["un hibou"]), **NEAR)


def test_a_text_that_stands_for_several_captions_has_the_mean_direction_of_theirs(tiny):
    (meaning,) = tiny.find_meanings(["voiture rouge"])
    assert len(meaning.captions) == 2
    mean = tiny.embed_texts(meaning.captions).mean(0)
    np.testing.assert_allclose(tiny.embed_texts(["voiture rouge"])[0], mean / np.linalg.norm(mean), **NEAR)
