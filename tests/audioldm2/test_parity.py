"""Parity with the pipeline of diffusers, stage by stage, on full tensors."""

import pytest
import torch

from photism.audioldm2.mel_vae import decode_latents, vocode
from tests.audioldm2.peers import NEGATIVE, PROMPT, SPOKEN, apart, load_ours, load_reference

CLOSE = 1e-5
STEPS = 4


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=["sound", "speech"])
def pair(request):
    """Return our pipeline, that of diffusers, and the texts for both."""
    if request.param == "sound":
        texts = {"prompt": PROMPT, "negative_prompt": NEGATIVE}
        return request.getfixturevalue("ours"), request.getfixturevalue("reference"), texts
    texts = {"prompt": PROMPT, "transcription": SPOKEN, "negative_prompt": "low quality"}
    return request.getfixturevalue("speech"), request.getfixturevalue("speech_reference"), texts


@torch.no_grad()
def test_embeddings(pair):
    ours, reference, texts = pair
    found = ours.encode_texts(**texts)
    embeds, mask, generated = reference.encode_prompt(
        device="cpu", num_waveforms_per_prompt=1, do_classifier_free_guidance=True, **texts
    )
    assert apart(torch.cat([found.negative_prompt_embeds, found.prompt_embeds]), embeds) <= CLOSE
    assert apart(torch.cat([found.negative_generated_prompt_embeds, found.generated_prompt_embeds]), generated) <= CLOSE
    assert torch.equal(torch.cat([found.negative_attention_mask, found.attention_mask]).float(), mask.float())


@pytest.mark.parametrize("settings", [{}, {"guidance_scale": 1.0}, {"eta": 0.7}, {"audio_length_in_s": 0.6}])
def test_latents_at_each_step_and_waveforms(pair, settings):
    ours, reference, texts = pair
    theirs, found = [], []
    expected = reference(
        **texts,
        **settings,
        num_inference_steps=STEPS,
        generator=seeded(),
        callback=lambda step, time, latents: theirs.append((int(time), latents)),
    ).audios
    output = ours(
        **texts,
        **settings,
        num_inference_steps=STEPS,
        generator=seeded(),
        callback_on_step_end=lambda pipeline, step, time, tensors: found.append((int(time), tensors["latents"])),
    )
    assert [time for time, _ in found] == [time for time, _ in theirs]
    for (_, one), (_, other) in zip(found, theirs, strict=True):
        assert apart(one, other) <= CLOSE
    assert output.audios.dtype == expected.dtype
    assert apart(output.audios, expected) <= CLOSE
    assert (output.scores, output.seeds, output.sampling_rate) == (None, None, 16_000)


@torch.no_grad()
def test_spectrogram_and_vocoder(ours, reference):
    latents = torch.randn(2, 8, 32, 8, generator=seeded())
    with ours.models.on_device("vae", "vocoder") as (vae, vocoder):
        mel = decode_latents(vae, latents, ours.checkpoint)
        waveforms = vocode(vocoder, mel, ours.checkpoint, samples=20_000)
    expected = reference.vae.decode(latents / reference.vae.config.scaling_factor).sample
    assert apart(mel, expected[:, 0]) <= CLOSE
    assert apart(waveforms, reference.mel_spectrogram_to_waveform(expected)[:, :20_000]) <= CLOSE


def test_several_prompts_of_one_length_and_several_waveforms(ours, reference):
    """As latents, without the ranking, which diffusers does only with librosa, and incorrectly."""
    texts = {"prompt": [PROMPT, NEGATIVE], "negative_prompt": [NEGATIVE, PROMPT]}
    shape = {"num_inference_steps": STEPS, "num_waveforms_per_prompt": 2}
    expected = reference(**texts, **shape, generator=[seeded(seed) for seed in range(4)], output_type="latent").audios
    found = ours(**texts, **shape, generator=[seeded(seed) for seed in range(4)], output_type="latent").audios
    assert apart(found, expected) <= CLOSE


def test_latents_and_precomputed_embeddings(pair):
    ours, reference, texts = pair
    latents = torch.randn(1, 8, 32, 8, generator=seeded())
    encoded = ours.encode_texts(**texts)
    given = {**encoded._asdict(), "latents": latents, "num_inference_steps": STEPS}
    spoken = {"transcription": SPOKEN} if "transcription" in texts else {}  # diffusers demands and ignores it
    assert apart(ours(**given).audios, reference(**given, **spoken).audios) <= CLOSE
    assert apart(ours(**given).audios, ours(**texts, latents=latents, num_inference_steps=STEPS).audios) <= CLOSE


def test_max_new_tokens(pair):
    ours, reference, texts = pair
    for count in (1, 5):
        found = ours(**texts, max_new_tokens=count, num_inference_steps=1, generator=seeded(), output_type="latent")
        expected = reference(**texts, max_new_tokens=count, num_inference_steps=1, generator=seeded()).audios
        assert ours.encode_texts(**texts, max_new_tokens=count).generated_prompt_embeds.shape[1] == count
        audios = ours(**texts, max_new_tokens=count, num_inference_steps=1, generator=seeded()).audios
        assert apart(audios, expected) <= CLOSE
        assert found.audios.shape == (1, 8, 32, 8)


@pytest.mark.parametrize("layout", ["sound", "sound-lm", "sound-new"])
def test_every_checkpoint_layout_is_the_same_model(sound_models, reference, layout):
    found = load_ours(sound_models / layout)(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, generator=seeded()
    )
    expected = reference(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, generator=seeded()).audios
    assert apart(found.audios, expected) <= CLOSE


def test_the_default_negative_prompt_differs_by_the_positions_only(ours, reference, monkeypatch):
    """With positions that skip padding, diffusers gives the same for texts of any length."""
    model = reference.language_model
    forward = type(model).forward

    def with_positions(self, attention_mask, past_key_values=None, inputs_embeds=None, **settings):
        positions = (attention_mask.cumsum(1) - 1).clamp(min=0)[:, -inputs_embeds.shape[1] :]
        return forward(
            self,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            position_ids=positions,
            **settings,
        )

    arguments = {"prompt": [PROMPT, "a dog"], "num_inference_steps": STEPS}
    found = ours(**arguments, generator=[seeded(0), seeded(1)]).audios
    before = reference(**arguments, generator=[seeded(0), seeded(1)]).audios
    monkeypatch.setattr(type(model), "forward", with_positions)
    after = reference(**arguments, generator=[seeded(0), seeded(1)]).audios
    assert apart(found, after) <= CLOSE
    assert apart(found, before) > 100 * CLOSE


def test_diffusers_fails_on_the_published_layout(sound_models):
    with pytest.raises(AttributeError, match="_update_model_kwargs_for_generation"):
        load_reference(sound_models / "sound")(PROMPT, num_inference_steps=1)
