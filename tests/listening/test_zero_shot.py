"""CaptionRanker: scores by hand, and what is kept and what is refused."""

import math
import re
from itertools import groupby

import pytest
import torch

from photism import AudioToImagePipeline, CaptionRanker, InputError, Waveform, load_waveform
from photism.listening import zero_shot as hear
from photism.listening.windows import Windows
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.model_folder import load_captions
from photism.prompts.text import encode_text

LABELS = ["Rain.", "A bird.", "The moon."]


@pytest.fixture(params=["sd", "xl"])
def ranker(models, request):
    return CaptionRanker.from_pretrained(models / request.param, device="cpu")


@pytest.fixture
def encoded(monkeypatch):
    """The lists of captions that are encoded from now on."""
    lists = []

    def spy(pipeline, captions):
        lists.append(list(captions))
        return encode_text(pipeline, captions)

    monkeypatch.setattr(hear, "encode_text", spy)
    return lists


def test_a_score_is_the_mean_cosine_of_the_tokens_after_the_opening_one(ranker, sounds):
    heard = ranker.rank(sounds[:2], captions=LABELS)
    prompts = ranker.encoder.encode(sounds[:2]).prompt_embeds
    texts, _ = encode_text(ranker.diffusion, LABELS)
    for prompt, captions in zip(prompts, heard, strict=True):
        assert [score for _, score in captions] == sorted((score for _, score in captions), reverse=True)
        assert {caption for caption, _ in captions} == set(LABELS)
        for caption, score in captions:
            text = texts[LABELS.index(caption)]
            cosines = [torch.cosine_similarity(prompt[s], text[s], dim=0) for s in range(1, len(prompt))]
            assert score == pytest.approx(sum(cosines).item() / len(cosines), abs=1e-6)


def test_a_prompt_that_is_a_captions_is_heard_as_it(ranker):
    tokens = 1 + ranker.encoder.config.tokens
    prompts = encode_text(ranker.diffusion, ["A bird.", "Rain."])[0][:, :tokens]
    (bird, *_), (rain, *_) = ranker.rank_prompts(AudioPrompt(prompts, None), captions=LABELS)
    assert (bird.caption, rain.caption) == ("A bird.", "Rain.")
    assert bird.score == pytest.approx(1, abs=1e-6)


def test_a_mixture_is_heard_as_what_it_is_mixed_of():
    ranker = CaptionRanker.from_pretrained(device="cpu")
    remembered = ranker.encoder.memorised_prompts().prompt_embeds
    cosines = ranker.score_prompts(AudioPrompt(remembered, None), captions=LABELS)
    certain = torch.eye(len(remembered))[:2]
    scores = ranker.score_prompts(AudioPrompt(remembered[:2], None, mixture_weights=certain), captions=LABELS)
    torch.testing.assert_close(scores, cosines[:2])

    halves = certain.mean(0, keepdim=True)
    scores = ranker.score_prompts(AudioPrompt(remembered[:1], None, mixture_weights=halves), captions=LABELS)
    for number, score in enumerate(scores[0].tolist()):
        near = [math.exp(cosines[prompt, number].item() / hear.SOFTNESS) for prompt in (0, 1)]
        assert score == pytest.approx(hear.SOFTNESS * math.log(sum(near) / 2), abs=1e-6)


def test_a_sound_is_heard_by_its_shares(sounds):
    ranker = CaptionRanker.from_pretrained(device="cpu")
    prompts = ranker.encoder.encode(sounds)
    torch.testing.assert_close(prompts.mixture_weights.sum(1), torch.ones(len(sounds)))
    remembered = ranker.encoder.memorised_prompts().prompt_embeds
    mixed = torch.einsum("bp,psd->bsd", prompts.mixture_weights, remembered)
    torch.testing.assert_close(prompts.prompt_embeds, mixed, atol=1e-4, rtol=1e-4)
    assert ranker.rank(sounds) == ranker.rank_prompts(prompts)
    assert ranker.rank(sounds) != ranker.rank_prompts(prompts._replace(mixture_weights=None))


def test_a_sound_is_heard_alike_alone_and_among_others(ranker, sounds):
    together = ranker.rank(sounds, batch_size=2)
    for sound, heard in zip(sounds, together, strict=True):
        (alone,) = ranker.rank(sound)
        assert [caption for caption, _ in alone] == [caption for caption, _ in heard]
        assert [score for _, score in alone] == pytest.approx([score for _, score in heard], abs=1e-5)


@pytest.mark.parametrize(("top_k", "given"), [(1, 1), (3, 3), (4, 3)])
def test_as_many_as_asked_for_or_as_there_are(ranker, sounds, top_k, given):
    assert [len(heard) for heard in ranker.rank(sounds[:2], captions=LABELS, top_k=top_k)] == [given, given]


def test_captions_are_encoded_once_and_in_batches(ranker, sounds, encoded, monkeypatch):
    monkeypatch.setattr(hear, "CAPTIONS_AT_ONCE", 2)
    first = ranker.rank(sounds[0], captions=LABELS)
    assert encoded == [LABELS[:2], LABELS[2:]]
    assert ranker.rank(sounds[0], captions=tuple(LABELS)) == first
    assert len(encoded) == 2
    ranker.rank(sounds[0])
    assert [caption for captions in encoded[2:] for caption in captions] == list(ranker.captions)


def test_a_ranker_of_a_drawing_pipeline_shares_its_models(models, sounds):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    ranker = CaptionRanker.of(pipeline, LABELS)
    assert ranker.encoder is pipeline.encoder
    assert ranker.diffusion is pipeline.diffusion
    assert ranker.rank(sounds) == CaptionRanker.from_pretrained(models / "sd", device="cpu").rank(
        sounds, captions=LABELS
    )


def test_the_models_captions_are_the_default(models, ranker):
    assert ranker.captions == load_captions(models / "sd")
    assert len(ranker.captions) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"captions": []}, "captions must hold at least one text"),
        ({"captions": "Rain."}, r"captions must be a list of texts; got one text: give \['Rain.'\]"),
        ({"top_k": 0}, "top_k must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
    ],
)
def test_a_wrong_setting_is_told(ranker, sounds, settings, message):
    with pytest.raises(InputError, match=message):
        ranker.rank(sounds[0], **settings)


def test_without_captions_of_the_model_some_must_be_given(ranker, sounds):
    silent = CaptionRanker(ranker.encoder, ranker.diffusion)
    with pytest.raises(InputError, match="the model brings none, or none were given"):
        silent.rank(sounds[0])
    assert silent.rank(sounds[0], captions=["Rain."])[0][0].caption == "Rain."


def test_a_text_encoder_is_needed(ranker, monkeypatch):
    monkeypatch.setattr(ranker.diffusion, "text_encoder", None)
    with pytest.raises(InputError, match="diffusion must have a text encoder for captions to be compared"):
        CaptionRanker(ranker.encoder, ranker.diffusion)


def test_a_long_caption_is_cut_in_silence(ranker, sounds, capfd):
    ranker.rank(sounds[0], captions=["A bird that sings " + "and sings " * 40])
    assert capfd.readouterr() == ("", "")


def test_a_stream_hears_as_rank_does(ranker, sounds):
    settings = {"captions": LABELS, "template": "I hear {}", "top_k": 2}
    ranked = ranker.rank(sounds, **settings)
    streamed = list(ranker.stream(iter(sounds), batch_size=2, **settings))
    assert [labels.number for labels in streamed] == [0, 1, 2]
    for labels, heard in zip(streamed, ranked, strict=True):
        scores = labels.windows[0].scores
        assert [score.label for score in scores] == [each.caption for each in heard]
        assert [score.score for score in scores] == pytest.approx([each.score for each in heard], abs=1e-5)


def test_windows_are_heard_as_sounds_of_their_own(ranker, sounds):
    (labels,) = ranker.stream(sounds[2], captions=LABELS, windows=Windows(0.5, 0.5))
    samples = load_waveform(sounds[2]).samples
    parts = [Waveform(samples[start : start + 8000]) for start in (0, 8000, 16_000)]
    for window, heard in zip(labels.windows, ranker.rank(parts, captions=LABELS), strict=True):
        assert [score.score for score in window.scores] == pytest.approx([each.score for each in heard], abs=1e-5)
    best = [window.scores[0].label for window in labels.windows]
    assert [segment.label for segment in labels.segments] == [name for name, _ in groupby(best)]


def test_a_template_without_a_place(ranker, sounds):
    message = "template must have {} where the caption goes, as \"the sound of a {}\"; got 'a sound'"
    for ask in (ranker.rank, ranker.stream):
        with pytest.raises(InputError, match=re.escape(message)):
            ask(sounds[0], template="a sound")
