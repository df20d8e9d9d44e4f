"""AudioLDM 2: sound, music and speech from text.

    text → CLAP, and T5 or VITS → projection → language model → states that a UNet attends to
    noise → UNet, step by step → latents → VAE → log-mel spectrogram → vocoder → waveform

Source: AudioLDM 2, arXiv 2308.05734. The models are those of transformers and diffusers; this is the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from photism.audio.waveform import AudioSource, Waveform, load_waveform
from photism.audioldm2.arguments import OutputType, check_count, read_negative, read_prompt
from photism.audioldm2.checkpoint import Checkpoint, find_checkpoint
from photism.audioldm2.clap_ranking import hear, rank
from photism.audioldm2.components import Components
from photism.audioldm2.denoising import WINDOWS_AT_ONCE, AfterStep, Denoiser, Generators
from photism.audioldm2.mel_vae import decode_latents, vocode
from photism.audioldm2.options import SoundOffload, SoundOptions
from photism.audioldm2.request import SoundJob, read_job
from photism.audioldm2.text_encoding import PromptEncoder, SoundPrompt, TokenisedTexts, stack_texts, text_states
from photism.audioldm2.windows import plan_windows
from photism.device import choose_device

StepCallback = Callable[["AudioLDM2Pipeline", int, Tensor, Mapping[str, Tensor]], "Mapping[str, Tensor] | None"]
"""Is given the pipeline, the number of the step, its time and {"latents": …} after it; it may return other latents."""


@dataclass(frozen=True, eq=False)
class SoundOutput:
    """What was made.

    Attributes:
        audios: array or tensor (B * n, T), float32 within ±1, n waveforms of a prompt next to each other, the best
            first where they were scored; or latents (B * n, C, frames, W).
        scores: for each prompt those of its waveforms, from -1 to 1, as CLAP hears them; None where there is one of
            each, no text to compare with, or latents.
        seeds: of each waveform, which makes the same one again; None where generators were given.
        sampling_rate: Hz.
    """

    audios: Any
    scores: list[list[float]] | None
    seeds: list[int] | None
    sampling_rate: int

    @property
    def waveforms(self) -> list[Waveform]:
        """They, as the rest of Photism takes sound."""
        return [load_waveform(audio, sampling_rate=self.sampling_rate) for audio in self.audios]


class AudioLDM2Pipeline:
    """Makes sound from text.

    Args:
        components: of a checkpoint; `from_pretrained` makes them.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self._prompts = PromptEncoder(components)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        scheduler: str | None = "dpm++",
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        compile: bool = False,
        offload: SoundOffload | None = None,
        vae_slicing: bool = False,
        vae_tiling: bool = False,
    ) -> AudioLDM2Pipeline:
        """Reads the configurations of a checkpoint; each of its models is loaded when it is first used.

        Args:
            model: folder or hub id, such as "cvssp/audioldm2", "cvssp/audioldm2-music" or
                "anhnct/audioldm2_gigaspeech"; by default the bundled one, which knows the 805 captions of `tiny`.
            scheduler: one of ddim, euler, euler-a, dpm++, unipc and lcm; None for the checkpoint's own, which is DDIM.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights.
            compile: compile the UNet at its first step, for faster ones after it; on CUDA with CUDA graphs.
            offload: keep weights in the processor's memory but for the model ("model") or the layer ("sequential")
                that is at work; or let those of each stage go when it is done ("disk").
            vae_slicing: decode one waveform at a time: less memory.
            vae_tiling: decode in tiles: less memory, more time.

        Raises:
            InputError: there is no such checkpoint, it is not AudioLDM 2's, or an option cannot be had on this machine.
        """
        options = SoundOptions(scheduler, compile, offload, vae_slicing, vae_tiling)
        checkpoint = find_checkpoint(model)
        return cls(Components(checkpoint, device=choose_device(device), dtype=dtype, options=options))

    @property
    def checkpoint(self) -> Checkpoint:
        """What the models are loaded from."""
        return self.components.checkpoint

    @property
    def num_inference_steps(self) -> int:
        """What a call takes that names none: 25 with the solvers that need no more, else 200."""
        return self.components.options.num_inference_steps

    @property
    def guidance_scale(self) -> float:
        """What a call takes that names none: the checkpoint's own, or 3.5."""
        return self.checkpoint.guidance_scale

    def encode_prompt(
        self,
        prompt: str | Sequence[str],
        transcription: str | Sequence[str] | None = None,
        *,
        negative_prompt: str | Sequence[str] | None = None,
        do_classifier_free_guidance: bool = True,
        max_new_tokens: int | None = None,
    ) -> SoundPrompt:
        """Turns texts into what the UNet attends to; a call takes it back as `**prompt._asdict()`.

        Args:
            prompt: B texts, or one.
            transcription: with a checkpoint that speaks, the words to be said: B, or one for all.
            negative_prompt: what guidance leads away from: one, or B; by default the empty text.
            do_classifier_free_guidance: whether there is a negative.
            max_new_tokens: states that the language model makes; by default the checkpoint's.

        Raises:
            InputError: an argument cannot be used.
        """
        count = self.checkpoint.new_tokens if max_new_tokens is None else check_count("max_new_tokens", max_new_tokens)
        texts = read_prompt(prompt, transcription, self.checkpoint, new_tokens=count)
        guided = do_classifier_free_guidance
        negatives = read_negative(negative_prompt, len(texts), new_tokens=count) if guided else []
        tokenised = self._prompts.tokenise([*texts, *negatives])
        encoded = self._prompts.encode([*texts, *negatives], tokenised)
        positive, negative = encoded[: len(texts)], encoded[len(texts) :]
        return SoundPrompt(*stack_texts(positive), *(stack_texts(negative) if negative else (None, None, None)))

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        transcription: str | Sequence[str] | None = None,
        *,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        eta: float = 0.0,
        seed: int | Sequence[int] | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        generated_prompt_embeds: Tensor | None = None,
        negative_generated_prompt_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        negative_attention_mask: Tensor | None = None,
        max_new_tokens: int | None = None,
        audio: AudioSource | None = None,
        strength: float | None = None,
        span_s: Sequence[float] | None = None,
        loop: bool = False,
        batch_size: int | None = None,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step: Callable[[int, int], None] | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
    ) -> SoundOutput:
        """Makes sounds.

        A waveform depends on its prompt, its seed and the settings, not on what else is made with it.

        Args:
            prompt: B texts, or one; or else `prompt_embeds` and `generated_prompt_embeds`.
            transcription: with a checkpoint that speaks, the words to be said: B, or one for all.
            audio_length_in_s: by default what the UNet was trained on, 10.24 s of the published ones and 1.92 s of the
                bundled one; a longer sound is made in windows.
            num_inference_steps: by default 25 with the schedulers dpm++ and unipc, else 200.
            guidance_scale: how far to go from the negative through the prompt; at most 1 is without guidance. By
                default 3.5, or what `model_index.json` says, as that of the bundled one does.
            negative_prompt: what to go away from: one, or B; by default the empty text.
            num_waveforms_per_prompt: n; several are ranked by how well CLAP hears the prompt in them.
            eta: of the scheduler ddim, from 0 to 1, how much noise is fresh at each step.
            seed: of the first waveform of every prompt, the next having the next seeds; or n seeds; or None for random
                ones, which the output names.
            generator: in place of seeds one, or B * n.
            latents: (B * n, C, frames, W) of variance 1, to start from.
            prompt_embeds: what `encode_prompt` made of the prompts, as the next five are.
            negative_prompt_embeds: of their negatives; by default these are encoded.
            generated_prompt_embeds: goes with `prompt_embeds`.
            negative_generated_prompt_embeds: goes with `negative_prompt_embeds`.
            attention_mask: of `prompt_embeds`; by default all count.
            negative_attention_mask: of `negative_prompt_embeds`, the same.
            max_new_tokens: states that the language model makes; by default the checkpoint's.
            audio: a recording to start from, of which the sound takes its length.
            strength: how far to go from it, above 0 to 1, which leaves nothing of it; of the steps, this share is
                taken. By default .5, and 1 with `span_s`.
            span_s: from and to in seconds: only this is made anew, and the rest of the recording stays to the sample;
                to may lie past the recording's end, which continues it.
            loop: let the end go on in the beginning.
            batch_size: waveforms denoised at once, and windows of long ones; by default all, and 4.
            callback_on_step_end: see `StepCallback`.
            callback_on_step: is given the steps done and those to do, over all waveforms, after each.
            output_type: "np", "pt" or "latent".
            return_dict: whether to return a `SoundOutput`, and not a tuple of its audios, scores and seeds.

        Raises:
            InputError: an argument cannot be used; no weights have been loaded then.
        """
        embeddings = {
            "prompt_embeds": prompt_embeds,
            "attention_mask": attention_mask,
            "generated_prompt_embeds": generated_prompt_embeds,
            "negative_prompt_embeds": negative_prompt_embeds,
            "negative_attention_mask": negative_attention_mask,
            "negative_generated_prompt_embeds": negative_generated_prompt_embeds,
        }
        job = read_job(
            self.checkpoint,
            prompt=prompt,
            transcription=transcription,
            negative_prompt=negative_prompt,
            embeddings=embeddings,
            audio_length_in_s=audio_length_in_s,
            num_inference_steps=self.num_inference_steps if num_inference_steps is None else num_inference_steps,
            guidance_scale=self.guidance_scale if guidance_scale is None else guidance_scale,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            eta=eta,
            seed=seed,
            generator=generator,
            latents=latents,
            max_new_tokens=max_new_tokens,
            audio=audio,
            strength=strength,
            span_s=span_s,
            loop=loop,
            output_type=output_type,
            batch_size=batch_size,
        )
        tokenised = self._prompts.tokenise([*job.texts, *job.negatives])
        text, clap = self._encode(job, tokenised)
        made = self._denoise(job, text, _Callbacks(self, callback_on_step_end, callback_on_step))
        if output_type == "latent":
            output = SoundOutput(made, None, self._seeds(job), self.checkpoint.sampling_rate)
        else:
            output = self._finish(job, self._decode(job, made), clap)
        return output if return_dict else cast("SoundOutput", (output.audios, output.scores, output.seeds))

    def _encode(self, job: SoundJob, tokenised: TokenisedTexts | None) -> tuple[SoundPrompt, Tensor | None]:
        """What the UNet attends to, and the (B, P) embeddings of CLAP to compare waveforms with."""
        encoded = self._prompts.encode([*job.texts, *job.negatives], tokenised)
        positive, negative = encoded[: len(job.texts)], encoded[len(job.texts) :]
        given = job.embeddings
        rows = stack_texts(positive) if positive else cast("SoundPrompt", given)[:3]
        away = stack_texts(negative) if negative else (None, None, None)
        if given is not None and given.negative_prompt_embeds is not None and job.guidance_scale > 1:
            away = given[3:]
        device, dtype = self.components.device, self.components.dtype
        placed = [
            tensor if tensor is None else tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
            for tensor in (*rows, *away)
        ]
        clap = torch.stack([text.clap for text in positive]).float().cpu() if positive else None
        return SoundPrompt(*cast("list[Tensor]", placed)), clap

    def _denoise(self, job: SoundJob, text: SoundPrompt, callbacks: _Callbacks) -> Tensor:
        """(B * n, C, frames, W) latents, float32."""
        device = self.components.device
        start = self._source_latents(job)
        generators = job.generators()
        noise = self._noise(job, generators).to(device)
        made: list[tuple[list[int], Tensor]] = []
        batches = list(job.batches())
        with self.components.at_work("unet") as (unet,):
            for number, (rows, waveforms) in enumerate(batches):
                scheduler = self.components.make_scheduler()
                scheduler.set_timesteps(job.steps, device=device)
                first = job.first_step * scheduler.order
                timesteps = scheduler.timesteps[first:]
                if first and hasattr(scheduler, "set_begin_index"):
                    scheduler.set_begin_index(first)
                some = generators if isinstance(generators, torch.Generator) else [generators[one] for one in waveforms]
                latents = noise[waveforms] * scheduler.init_noise_sigma
                if first and start is not None:
                    latents = scheduler.add_noise(start.expand_as(latents), noise[waveforms], timesteps[:1])
                denoiser = Denoiser(
                    unet,
                    scheduler,
                    job.guidance_scale,
                    job.eta,
                    plan_windows(job.frames, self.checkpoint.window_frames, is_loop=job.is_loop),
                    max(1, (job.batch_size or WINDOWS_AT_ONCE) // len(waveforms)),
                )
                keep = _keeping(job, start, noise[waveforms], scheduler, timesteps)
                after = callbacks.after_step(keep, number, len(batches), len(timesteps))
                states = text_states(_rows(text, rows))
                done = denoiser(latents, states, timesteps=timesteps, generators=some, after_step=after)
                made.append((waveforms, done))
        latents = torch.empty_like(noise)
        for waveforms, done in made:
            latents[waveforms] = done
        return latents

    def _noise(self, job: SoundJob, generators: Generators) -> Tensor:
        from diffusers.utils.torch_utils import randn_tensor

        if job.latents is not None:
            return job.latents.float()
        shape = (job.total, *self.checkpoint.latent_shape(job.frames))
        device = self.components.device if isinstance(generators, torch.Generator) else torch.device("cpu")
        return randn_tensor(shape, generator=generators, device=device, dtype=torch.float32)

    def _source_latents(self, job: SoundJob) -> Tensor | None:
        if job.source is None:
            return None
        device = self.components.device
        with self.components.at_work("vae") as (vae,):
            return job.source.encode(vae, self.checkpoint, device=device, is_loop=job.is_loop).float()

    def _decode(self, job: SoundJob, latents: Tensor) -> Tensor:
        """(B * n, T) float32 waveforms on the processor."""
        size = job.batch_size or job.total
        waveforms: list[Tensor] = []
        with self.components.at_work("vae", "vocoder") as (vae, vocoder):
            for some in latents.split(size):
                mel = decode_latents(vae, some, self.checkpoint, is_loop=job.is_loop)
                waveforms.append(vocode(vocoder, mel, self.checkpoint, samples=job.samples, is_loop=job.is_loop))
        made = torch.cat(waveforms)
        return made if job.source is None else job.source.put_back(made, self.checkpoint.sampling_rate)

    def _finish(self, job: SoundJob, waveforms: Tensor, clap: Tensor | None) -> SoundOutput:
        seeds, scores = self._seeds(job), None
        if clap is not None and job.waveforms > 1:
            of_prompt, order = rank(clap, hear(waveforms, self.components))
            waveforms, scores = waveforms[order], of_prompt.tolist()
            seeds = None if seeds is None else [seeds[one] for one in order.tolist()]
        audios = waveforms.numpy() if job.output_type == "np" else waveforms
        return SoundOutput(audios, scores, seeds, self.checkpoint.sampling_rate)

    def _seeds(self, job: SoundJob) -> list[int] | None:
        return None if job.seeds is None else list(job.seeds) * job.rows


@dataclass(frozen=True)
class _Callbacks:
    """What a caller wants to be told."""

    pipeline: AudioLDM2Pipeline
    on_step_end: StepCallback | None
    on_step: Callable[[int, int], None] | None

    def after_step(self, keep: AfterStep, batch: int, batches: int, steps: int) -> AfterStep:
        def after(number: int, time: Tensor, latents: Tensor) -> Tensor:
            latents = keep(number, time, latents)
            if self.on_step_end is not None:
                changed = self.on_step_end(self.pipeline, number, time, {"latents": latents})
                latents = (changed or {}).get("latents", latents)
            if self.on_step is not None:
                self.on_step(batch * steps + number + 1, batches * steps)
            return latents

        return after


def _keeping(job: SoundJob, start: Tensor | None, noise: Tensor, scheduler: Any, timesteps: Tensor) -> AfterStep:
    """What puts the recording back after each step, as noisy as the step leaves the rest, outside of the span."""
    anew = None if job.source is None else job.source.anew(job.frames)
    if anew is None or start is None:
        return lambda number, time, latents: latents
    anew = anew.to(noise.device)
    known = start.expand_as(noise)

    def keep(number: int, time: Tensor, latents: Tensor) -> Tensor:
        last = number + 1 == len(timesteps)
        noisy = known if last else scheduler.add_noise(known, noise, timesteps[number + 1 : number + 2])
        return torch.lerp(noisy, latents, anew)

    return keep


def _rows(prompt: SoundPrompt, rows: slice) -> SoundPrompt:
    """Some prompts; a negative of one row is for all of them."""
    return SoundPrompt(
        *(tensor if tensor is None or len(tensor) == 1 else tensor[rows] for tensor in prompt)  # pyright: ignore[reportArgumentType]
    )
