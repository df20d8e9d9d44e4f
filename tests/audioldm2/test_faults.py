"""Faults measured in the pipeline of diffusers, each shown there and absent here; docs/guides/sound.md lists them."""

from types import SimpleNamespace

import numpy as np
import pytest
import soxr
import torch
from diffusers.pipelines.audioldm2 import pipeline_audioldm2

from photism import InputError
from photism.audioldm2.clap_ranking import clap_embed
from photism.audioldm2.mel_vae import decode_latents, vocode
from photism.audioldm2.request import read_request
from photism.audioldm2.settings import SoundSettings
from tests.audioldm2.peers import apart, load_ours

LONG = "a low quality dog barks on tin roof"
STEPS = 2


@pytest.fixture
def librosa(monkeypatch):
    """Replacement of librosa, without which diffusers does not rank."""
    resample = SimpleNamespace(resample=lambda audio, orig_sr, target_sr: soxr.resample(audio.T, orig_sr, target_sr).T)
    monkeypatch.setattr(pipeline_audioldm2, "librosa", resample, raising=False)
    monkeypatch.setattr(pipeline_audioldm2, "is_librosa_available", lambda: True)


def generators(count):
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


@torch.no_grad()
def encoded_by(reference, **texts):
    return reference.encode_prompt(
        device="cpu", num_waveforms_per_prompt=1, do_classifier_free_guidance="negative_prompt" in texts, **texts
    )


def test_1_a_negative_prompt_is_not_truncated_to_the_length_of_the_prompt(ours, reference):
    other = LONG[:-4] + "rain"  # another end, past the tokens of "rain"
    truncated, also_truncated = (
        encoded_by(reference, prompt="rain", negative_prompt=text)[0][:1] for text in (LONG, other)
    )
    assert torch.equal(truncated, also_truncated)
    whole, other_whole = (ours.encode_texts("rain", negative_prompt=text) for text in (LONG, other))
    assert apart(whole.negative_prompt_embeds, other_whole.negative_prompt_embeds) > 0.01
    assert whole.negative_prompt_embeds.shape[1] > whole.prompt_embeds.shape[1]
    of_prompt = ours.encode_texts(LONG, do_classifier_free_guidance=False)
    assert apart(whole.negative_prompt_embeds, of_prompt.prompt_embeds) < 1e-5


def test_2_a_prompt_in_a_batch_with_a_longer_one_is_the_same(ours, reference, sound_models):
    alone, batched = (encoded_by(reference, prompt=prompts)[2][0] for prompts in (["rain"], ["rain", LONG]))
    assert apart(batched, alone) > 0.1
    fresh = load_ours(sound_models / "sound")  # whose cache is empty
    batched = fresh.encode_texts(["rain", LONG])
    alone = load_ours(sound_models / "sound").encode_texts("rain")
    assert apart(batched.generated_prompt_embeds[0], alone.generated_prompt_embeds[0]) < 1e-5
    assert apart(batched.prompt_embeds[0, : alone.prompt_embeds.shape[1]], alone.prompt_embeds[0]) < 1e-5
    settings = {"num_inference_steps": STEPS, "audio_length_in_s": 0.4}
    together = fresh(["rain", LONG], **settings, generator=generators(2)).audios
    for row, prompt in enumerate(["rain", LONG]):
        assert apart(together[row], ours(prompt, **settings, seed=row).audios[0]) < 1e-4


@pytest.mark.usefixtures("librosa")
def test_3_waveforms_are_ranked_among_those_of_their_own_prompt(ours, reference):
    settings = {"num_inference_steps": STEPS, "num_waveforms_per_prompt": 3, "audio_length_in_s": 0.4}
    prompts = ["rain", LONG]
    latents = ours(prompts, **settings, generator=generators(6), output_type="latent").audios
    with ours.models.on_device("vae", "vocoder") as (vae, vocoder):
        mel = decode_latents(vae, latents, ours.checkpoint)
        unranked = vocode(vocoder, mel, ours.checkpoint, samples=6400)
    ranked = ours(prompts, **settings, generator=generators(6))
    origins = [int(np.abs(unranked.numpy() - audio).max(1).argmin()) for audio in ranked.audios]
    assert sorted(origins[:3]) == [0, 1, 2]
    assert sorted(origins[3:]) == [3, 4, 5]
    of_reference = reference(prompts, **settings, generator=generators(6)).audios
    assert len({audio.tobytes() for audio in of_reference}) < 6  # one waveform was returned for both prompts
    assert all(scores == sorted(scores, reverse=True) for scores in ranked.scores)


def test_3_without_librosa_diffusers_silently_does_not_rank(ours, reference, monkeypatch):
    monkeypatch.setattr(pipeline_audioldm2, "is_librosa_available", lambda: False)
    settings = {"num_inference_steps": STEPS, "num_waveforms_per_prompt": 4, "audio_length_in_s": 0.4}
    skipped = reference("rain", **settings, generator=generators(4)).audios
    first = reference("rain", **{**settings, "num_waveforms_per_prompt": 1}, generator=generators(1)).audios
    assert apart(skipped[:1], first) < 1e-4  # in the order of generation
    found = ours("rain", **settings, seed=0)
    assert sorted(found.seeds) == [0, 1, 2, 3]
    assert len(found.scores[0]) == 4


def test_3_the_score_of_a_long_waveform_is_deterministic(ours, reference):
    waveforms = torch.randn(2, 24_000, generator=torch.Generator().manual_seed(0)) * 0.3  # the tiny CLAP takes 1 s
    extractor = reference.feature_extractor
    longer = soxr.resample(waveforms[0].numpy(), 16_000, 48_000)
    one, other = (np.array(extractor(longer, sampling_rate=48_000)["input_features"]) for _ in range(2))
    assert np.abs(one - other).max() > 0.1
    assert torch.equal(clap_embed(waveforms, ours.models), clap_embed(waveforms, ours.models))


def test_4_a_latent_output_obeys_return_dict(ours, reference):
    settings = {"num_inference_steps": 1, "output_type": "latent", "return_dict": False}
    assert not isinstance(reference("rain", **settings), tuple)
    (latents,) = ours("rain", **settings, seed=3)
    assert latents.shape == (1, 8, 32, 8)


@pytest.mark.parametrize(
    ("arguments", "theirs", "message"),
    [
        ({"num_inference_steps": 0}, ZeroDivisionError, "num_inference_steps must be at least 1; got 0"),
        ({"num_waveforms_per_prompt": 0}, Exception, "num_waveforms_per_prompt must be at least 1; got 0"),
        ({"prompt": []}, Exception, r"prompt must be a text or a list of at least one text; got \[\]"),
        (
            {"audio_length_in_s": float("nan")},
            ValueError,
            "audio_length_in_s must be above 0 and at most 3600; got nan",
        ),
        ({"latents": torch.zeros(1, 8, 31, 8)}, None, r"latents must be a tensor of the shape \(1, 8, 32, 8\): wave"),
        ({"max_new_tokens": 91}, IndexError, "max_new_tokens must be at most 90 for a text of 2 tokens, since"),
        ({"output_type": "wav"}, None, "output_type must be one of np, pt, latent; got 'wav'"),
    ],
)
def test_4_invalid_arguments_raise_one_clear_error(sound_models, reference, arguments, theirs, message):
    call = {"prompt": "rain", "num_inference_steps": 1, **arguments}
    if theirs is None:
        reference(**call)  # accepted silently
    else:
        with pytest.raises(theirs) as obscure:
            reference(**call)
        assert not isinstance(obscure.value, InputError)
    ours = load_ours(sound_models / "sound")
    with pytest.raises(InputError, match=message):
        ours(**call)
    assert set(ours.models.loader.loaded) <= {"tokenizer", "tokenizer_2"}


def test_the_language_model_generates_up_to_its_last_position(ours, reference):
    settings = {"num_inference_steps": 1, "max_new_tokens": 90, "guidance_scale": 1.0, "audio_length_in_s": 0.1}
    found, expected = (pipeline("rain", **settings, generator=generators(1)) for pipeline in (ours, reference))
    assert apart(found.audios, expected.audios) < 1e-5


@pytest.mark.parametrize("length_s", [0.29, 0.57, 1.13])
def test_5_durations_are_exact_to_the_sample(ours, reference, length_s):
    settings = {"num_inference_steps": 1, "audio_length_in_s": length_s}
    assert reference("rain", **settings).audios.shape[1] < round(length_s * 16_000)
    assert ours("rain", **settings).audios.shape[1] == round(length_s * 16_000)


def test_5_durations_of_all_hundredths_of_a_second(ours):
    for hundredths in range(4, 1100):
        request = read_request(
            SoundSettings(audio_length_in_s=hundredths / 100),
            ours.checkpoint,
            scheduler=ours.scheduler,
            default_steps=1,
            prompt="rain",
            prompt_embeds=(None, None, None),
            negative_embeds=(None, None, None),
            generator=None,
            latents=None,
        )
        assert request.samples == hundredths * 160


def test_6_the_output_of_encode_prompt_gives_one_waveform(ours, reference):
    embeds, mask, generated = encoded_by(reference, prompt="rain", negative_prompt=LONG)
    given = {"prompt_embeds": embeds, "attention_mask": mask, "generated_prompt_embeds": generated}
    twice = reference(**given, num_inference_steps=1, guidance_scale=1.0).audios
    assert len(twice) == 2
    encoded = ours.encode_texts("rain", negative_prompt=LONG)
    once = ours(**encoded._asdict(), num_inference_steps=STEPS, seed=0).audios
    direct = ours("rain", negative_prompt=LONG, num_inference_steps=STEPS, seed=0).audios
    assert len(once) == 1
    assert apart(once, direct) < 1e-5


class Counter:
    """Record of the input shapes of a module's calls."""

    def __init__(self, module):
        self.shapes = []
        self.handle = module.register_forward_pre_hook(self.count, with_kwargs=True)

    def count(self, module, arguments, named):
        tensors = [each for each in (*arguments, *named.values()) if isinstance(each, torch.Tensor)]
        self.shapes.append(tuple(tensors[0].shape))

    def __enter__(self):
        return self.shapes

    def __exit__(self, *_):
        self.handle.remove()


def text_projection(unet):
    """Return the key projection of T5's states in the middle of the UNet."""
    return unet.mid_block.attentions[2].transformer_blocks[0].attn2.to_k


def test_7_keys_and_values_of_a_text_are_computed_once(ours, reference):
    settings = {"num_inference_steps": 5, "audio_length_in_s": 0.4, "num_waveforms_per_prompt": 2}
    with Counter(text_projection(reference.unet)) as shapes:
        reference("rain", **settings, output_type="latent")
    assert len(shapes) == 5
    assert {shape[0] for shape in shapes} == {4}  # with and without prompt, for each waveform
    with ours.models.on_device("unet") as (unet,), Counter(text_projection(unet)) as shapes:
        ours("rain", **settings, output_type="latent")
    assert len(shapes) == 1
    assert shapes[0][0] == 2


def test_7_a_mask_of_ones_is_not_passed_on(ours, reference, monkeypatch):
    seen = []
    attend = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda query, *rest, attn_mask=None, **more: (
            seen.append(attn_mask) or attend(query, *rest, attn_mask=attn_mask)
        ),
    )
    settings = {"num_inference_steps": 1, "audio_length_in_s": 0.4, "output_type": "latent"}
    encoded = ours.encode_texts("rain", negative_prompt="dog")
    seen.clear()
    reference(**encoded._asdict(), **settings)
    assert any(mask is not None for mask in seen)
    seen.clear()
    ours(**encoded._asdict(), **settings)
    assert seen
    assert all(mask is None for mask in seen)


def test_7_clap_prompts_are_padded_to_the_longest_only(ours, reference, sound_models):
    with Counter(reference.text_encoder.text_model) as shapes:
        encoded_by(reference, prompt="rain")
    assert shapes == [(1, 40)]
    fresh = load_ours(sound_models / "sound")
    with fresh.models.on_device("text_tower") as (tower,), Counter(tower.text_model) as shapes:
        fresh.encode_texts("rain", do_classifier_free_guidance=False)
    assert shapes == [(1, 6)]


def test_7_components_are_loaded_when_they_are_used(sound_models):
    ours = load_ours(sound_models / "sound")
    assert ours.models.loader.loaded == ()
    ours("rain", num_inference_steps=1, audio_length_in_s=0.1)
    assert "audio_tower" not in ours.models.loader.loaded
    ours("rain", num_inference_steps=1, audio_length_in_s=0.1, num_waveforms_per_prompt=2)
    assert "audio_tower" in ours.models.loader.loaded
    given = load_ours(sound_models / "sound")
    given(**ours.encode_texts("rain")._asdict(), num_inference_steps=1, output_type="latent")
    assert given.models.loader.loaded == ("unet",)


def test_7_a_constant_negative_is_encoded_once(sound_models, reference):
    def encoded_rows(pipeline, encoder):
        with Counter(encoder) as shapes:
            for prompt in ("rain", "dog"):
                pipeline(prompt, num_inference_steps=1, audio_length_in_s=0.1, output_type="latent")
        return sum(shape[0] for shape in shapes)

    assert encoded_rows(reference, reference.text_encoder_2) == 4  # each prompt, and the empty text twice
    ours = load_ours(sound_models / "sound")
    with ours.models.on_device("t5") as (encoder,):
        assert encoded_rows(ours, encoder) == 3


def test_7_the_language_model_has_no_head(ours, reference):
    assert reference.language_model.lm_head is not None
    with ours.models.on_device("language_model") as (model,):
        assert not hasattr(model, "lm_head")


def test_gpt2_is_given_the_last_state_only(sound_models):
    ours = load_ours(sound_models / "sound")
    with ours.models.on_device("language_model") as (model,), Counter(model.h[0]) as shapes:
        ours.encode_texts("rain", do_classifier_free_guidance=False)
    assert shapes == [(1, 7, 16)] + [(1, 1, 16)] * 7
