"""From latents to waveforms, the best of each prompt first."""

from __future__ import annotations

import torch
from torch import Tensor

from photism.audioldm2.clap_ranking import clap_embed, rank_waveforms
from photism.audioldm2.components import Components
from photism.audioldm2.mel_vae import decode_latents, vocode
from photism.audioldm2.output import SoundOutput
from photism.audioldm2.request import OutputType, SoundRequest
from photism.finite import check_finite


def make_output(
    components: Components,
    request: SoundRequest,
    latents: Tensor,
    clap_embeds: Tensor | None,
    output_type: OutputType,
) -> SoundOutput:
    """Return the sound of latents.

    Args:
        components: components of the pipeline.
        request: what was generated.
        latents: (B * n, C, F, W) denoised latents.
        clap_embeds: (B, P) CLAP embeddings of the prompts, to rank the waveforms with; None to leave them in order.
        output_type: type of the audios.

    Raises:
        NotFiniteError: the latents, or what is decoded from them, are not finite.
    """
    rate, seeds, scores, source = components.checkpoint.sampling_rate, request.seeds, None, request.source
    check_finite(latents, "latents", components.loader.dtypes["default"])
    if output_type == "latent":
        return SoundOutput(latents, None, seeds, rate, request.settings)
    waveforms = decode_waveforms(components, request, latents)
    if clap_embeds is not None and request.settings.num_waveforms_per_prompt > 1:
        ranked, order = rank_waveforms(clap_embeds, clap_embed(waveforms, components))
        waveforms, scores = waveforms[order], ranked.tolist()
        seeds = None if seeds is None else [seeds[index] for index in order.tolist()]
    if source is None:
        sample_type = "int16"
    else:
        waveforms, rate, sample_type = source.finish(waveforms), source.output_rate, source.output_type
    audios = waveforms.numpy() if output_type == "np" else waveforms
    return SoundOutput(audios, scores, seeds, rate, request.settings, sample_type)


def decode_waveforms(components: Components, request: SoundRequest, latents: Tensor) -> Tensor:
    """Return the waveforms (B * n, T) of latents at the checkpoint's sampling rate, float32 on the CPU."""
    checkpoint, is_loop = components.checkpoint, request.settings.loop
    waveforms: list[Tensor] = []
    with components.on_device("vae", "vocoder") as (vae, vocoder):
        for some in latents.split(request.settings.batch_size or request.total):
            mel = check_finite(decode_latents(vae, some, checkpoint, is_loop=is_loop), "mel spectrograms", vae.dtype)
            waveform = vocode(vocoder, mel, checkpoint, samples=request.samples, is_loop=is_loop)
            waveforms.append(check_finite(waveform, "waveforms", vocoder.dtype))
    return torch.cat(waveforms)
