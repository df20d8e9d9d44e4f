"""Zero-shot ranking: scores by hand, cached captions, and settings."""

import math
import re
from itertools import groupby

import pytest
import torch

from photism import CaptionRanker, InputError, Waveform, load_waveform
from photism.errors import ModelWarning
from photism.listening import zero_shot
from photism.listening.zero_shot import MIXTURE_TEMPERATURE
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.model_files import load_captions
from photism.prompts.text import encode_text

LABELS = ["Rain.", "A bird.", "The moon."]


@pytest.fixture(params=["sd", "xl"])
def ranker(models, request):
    return CaptionRanker.from_pretrained(models / request.param, device="cpu")


@pytest.fixture
def encoded(monkeypatch):
    """List of the caption lists that are encoded."""
    lists = []

    def spy(pipeline, captions):
        lists.append(list(captions))
        return encode_text(pipeline, captions)

    monkeypatch.setattr(zero_shot, "encode_text", spy)
    return lists


def test_a_score_is_the_mean_cosine_of_the_tokens_after_bos(ranker, sounds):
    ranked = ranker.rank(sounds[:2], captions=LABELS)
    prompts = ranker.encoder.encode(sounds[:2]).prompt_embeds
    texts, _ = encode_text(ranker.diffusion, LABELS)
    for prompt, captions in zip(prompts, ranked, strict=True):
        assert [each["score"] for each in captions] == sorted((each["score"] for each in captions), reverse=True)
        assert {each["caption"] for each in captions} == set(LABELS)
        for caption, score in (each.values() for each in captions):
            text = texts[LABELS.index(caption)]
            cosines = [torch.cosine_similarity(prompt[s], text[s], dim=0) for s in range(1, len(prompt))]
            assert score == pytest.approx(sum(cosines).item() / len(cosines), abs=1e-6)


def test_the_prompt_of_a_caption_is_nearest_to_it(ranker):
    tokens = 1 + ranker.encoder.config.tokens
    prompts = encode_text(ranker.diffusion, ["A bird.", "Rain."])[0][:, :tokens]
    (bird, *_), (rain, *_) = ranker.rank_prompts(AudioPrompt(prompts, None), captions=LABELS)
    assert (bird["caption"], rain["caption"]) == ("A bird.", "Rain.")
    assert bird["score"] == pytest.approx(1, abs=1e-6)


def test_a_mixture_is_compared_by_its_weights():
    ranker = CaptionRanker.from_pretrained(device="cpu")
    memorised = ranker.encoder.memorised_prompts().prompt_embeds
    cosines = ranker.score_prompts(AudioPrompt(memorised, None), captions=LABELS)
    certain = torch.eye(len(memorised))[:2]
    scores = ranker.score_prompts(AudioPrompt(memorised[:2], None, mixture_weights=certain), captions=LABELS)
    torch.testing.assert_close(scores, cosines[:2])

    halves = certain.mean(0, keepdim=True)
    scores = ranker.score_prompts(AudioPrompt(memorised[:1], None, mixture_weights=halves), captions=LABELS)
    for number, score in enumerate(scores[0].tolist()):
        terms = [math.exp(cosines[prompt, number].item() / MIXTURE_TEMPERATURE) for prompt in (0, 1)]
        assert score == pytest.approx(MIXTURE_TEMPERATURE * math.log(sum(terms) / 2), abs=1e-6)


def test_a_recording_is_compared_by_its_mixture_weights(sounds):
    ranker = CaptionRanker.from_pretrained(device="cpu")
    prompts = ranker.encoder.encode(sounds)
    torch.testing.assert_close(prompts.mixture_weights.sum(1), torch.ones(len(sounds)))
    memorised = ranker.encoder.memorised_prompts().prompt_embeds
    mixed = torch.einsum("bp,psd->bsd", prompts.mixture_weights, memorised)
    torch.testing.assert_close(prompts.prompt_embeds, mixed, atol=1e-4, rtol=1e-4)
    assert ranker.rank(sounds) == ranker.rank_prompts(prompts)
    assert ranker.rank(sounds) != ranker.rank_prompts(prompts._replace(mixture_weights=None))


def test_a_recording_ranks_the_same_alone_and_in_a_batch(ranker, sounds):
    together = ranker.rank(sounds, batch_size=2)
    for sound, ranked in zip(sounds, together, strict=True):
        (alone,) = ranker.rank(sound)
        assert [each["caption"] for each in alone] == [each["caption"] for each in ranked]
        assert [each["score"] for each in alone] == pytest.approx([each["score"] for each in ranked], abs=1e-5)


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (4, 3), (None, 3)])
def test_top_k_is_limited_by_the_number_of_captions(ranker, sounds, top_k, count):
    assert [len(ranked) for ranked in ranker.rank(sounds[:2], captions=LABELS, top_k=top_k)] == [count, count]


def test_captions_are_encoded_once_in_batches(ranker, sounds, encoded, monkeypatch):
    monkeypatch.setattr(zero_shot, "CAPTION_BATCH_SIZE", 2)
    first = ranker.rank(sounds[0], captions=LABELS)
    assert encoded == [LABELS[:2], LABELS[2:]]
    assert ranker.rank(sounds[0], captions=tuple(LABELS)) == first
    assert len(encoded) == 2
    ranker.rank(sounds[0])
    assert [caption for captions in encoded[2:] for caption in captions] == list(ranker.captions)


def test_default_captions_are_ranked(ranker, sounds):
    with_defaults = CaptionRanker(ranker.encoder, ranker.diffusion, LABELS)
    assert with_defaults.rank(sounds) == ranker.rank(sounds, captions=LABELS)


def test_the_models_captions_are_the_default(models, ranker):
    assert ranker.captions == load_captions(models / "sd")
    assert len(ranker.captions) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"captions": []}, "captions must contain at least one text"),
        ({"captions": "Rain."}, r"captions must be a list of texts; got a single text: give \['Rain.'\]"),
        ({"top_k": 0}, "top_k must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
    ],
)
def test_a_setting_out_of_range_is_an_error(ranker, sounds, settings, message):
    with pytest.raises(InputError, match=message):
        ranker.rank(sounds[0], **settings)


def test_without_default_captions_some_must_be_given(ranker, sounds):
    without_defaults = CaptionRanker(ranker.encoder, ranker.diffusion)
    with pytest.raises(InputError, match="the model has no default captions: give some"):
        without_defaults.rank(sounds[0])
    assert without_defaults.rank(sounds[0], captions=["Rain."])[0][0]["caption"] == "Rain."


def test_a_pipeline_without_a_text_encoder_is_refused(ranker, monkeypatch):
    monkeypatch.setattr(ranker.diffusion, "text_encoder", None)
    with pytest.raises(InputError, match="diffusion must have a text encoder to encode captions"):
        CaptionRanker(ranker.encoder, ranker.diffusion)


def test_a_long_caption_that_is_given_is_reported_with_what_is_cut_off(ranker, sounds, capfd):
    with pytest.warns(ModelWarning, match="caption is longer than 18 tokens; cut off: '.*sings and sings"):
        ranker.rank(sounds[0], captions=["A bird that sings " + "and sings " * 40])
    assert capfd.readouterr() == ("", "")


def test_a_stream_ranks_as_rank_does(ranker, sounds):
    settings = {"captions": LABELS, "template": "I hear {}", "top_k": 2}
    ranked = ranker.rank(sounds, **settings)
    streamed = list(ranker.stream(iter(sounds), batch_size=2, **settings))
    assert [labels.number for labels in streamed] == [0, 1, 2]
    for labels, expected in zip(streamed, ranked, strict=True):
        scores = labels.windows[0].scores
        assert [score["label"] for score in scores] == [each["caption"] for each in expected]
        assert [score["score"] for score in scores] == pytest.approx([each["score"] for each in expected], abs=1e-5)


def test_windows_are_ranked_as_recordings_of_their_own(ranker, sounds):
    (labels,) = ranker.stream(sounds[2], captions=LABELS, window_s=0.5, hop_s=0.5)
    samples = load_waveform(sounds[2]).samples
    crops = [Waveform(samples[start : start + 8000]) for start in (0, 8000, 16_000)]
    for window, expected in zip(labels.windows, ranker.rank(crops, captions=LABELS), strict=True):
        assert [score["score"] for score in window.scores] == pytest.approx(
            [each["score"] for each in expected], abs=1e-5
        )
    best = [window.scores[0]["label"] for window in labels.windows]
    assert [segment.label for segment in labels.segments] == [name for name, _ in groupby(best)]


def test_a_template_without_a_field_is_an_error(ranker, sounds):
    message = "template must have {} where the caption goes; got 'a sound'"
    for rank in (ranker.rank, ranker.stream):
        with pytest.raises(InputError, match=re.escape(message)):
            rank(sounds[0], template="a sound")
