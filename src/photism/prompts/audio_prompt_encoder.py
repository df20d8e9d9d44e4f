"""`AudioPromptEncoder`: audio encoder, prompt adapter and prompt space as one checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import PreTrainedModel, Wav2Vec2BertConfig, initialization

from photism.audio.log_mel import LogMel, log_mel
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.long_recording import LongRecording, Recording, load_recording
from photism.audio.waveform import AudioSource, Waveform, load_waveform
from photism.cancellation import check_cancelled
from photism.encoder.chunked import encode_chunked, encode_stream, fits_one_pass
from photism.encoder.model import Wav2Vec2BertModel
from photism.encoder.module_copy import copy_modules
from photism.errors import InputError
from photism.files import apply_umask
from photism.finite import check_finite
from photism.locks import loading_lock
from photism.prompts.audio_prompt import AudioPrompt, concatenate
from photism.prompts.encoder_config import AudioPromptEncoderConfig
from photism.prompts.known_sounds import KnownSounds
from photism.prompts.lexicon import Lexicon
from photism.prompts.prompt_adapter import (
    ADAPTERS,
    INITIAL_INVERSE_TEMPERATURE,
    PhoneticPromptAdapter,
)
from photism.prompts.prompt_space import PromptSpace
from photism.prompts.resampler_adapter import INITIAL_QUERY_STD, ResamplerPromptAdapter


class AudioPromptEncoder(PreTrainedModel):
    """Audio encoder that produces the prompt embeddings of one prompt space.

    It is saved and loaded as one folder: `config.json`, and `model.safetensors`, which also holds the embeddings of the
    prompt space.
    """

    config_class = AudioPromptEncoderConfig
    main_input_name = "input_features"
    base_model_prefix = "audio_prompt_encoder"

    bos: Tensor
    negative: Tensor
    pooled_negative: Tensor | None
    pooled_projection: nn.Linear | None

    def __init__(self, config: AudioPromptEncoderConfig) -> None:
        super().__init__(config)
        encoder = Wav2Vec2BertConfig(**config.encoder)
        self.encoder = Wav2Vec2BertModel(encoder)
        adapter = ADAPTERS[config.adapter]
        arguments = dict(config.adapter_arguments)
        self.adapter = adapter(encoder.hidden_size, config.space_width, tokens=config.tokens, **arguments)
        self.pooled_projection = (
            nn.Linear(config.space_width, config.space_pooled_width) if config.space_pooled_width else None
        )
        self.known_sounds = KnownSounds.from_config(config.known_sounds) if config.known_sounds else None
        self.register_buffer("bos", torch.zeros(config.space_width))
        self.register_buffer("negative", torch.zeros(config.space_length, config.space_width))
        pooled_negative = torch.zeros(config.space_pooled_width) if config.space_pooled_width else None
        self.register_buffer("pooled_negative", pooled_negative)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise the parameters and buffers of a module that a checkpoint lacks."""
        super()._init_weights(module)
        if isinstance(module, AudioPromptEncoder):
            for buffer in module.buffers(recurse=False):
                initialization.zeros_(buffer)
        elif isinstance(module, nn.Conv1d) and module.bias is not None:
            # Of a conv adapter, initialised as the adapter of a Wav2Vec2-BERT, which it is for audio2img.
            bound = 1 / math.sqrt(module.in_channels * module.kernel_size[0])
            initialization.kaiming_normal_(module.weight)
            initialization.uniform_(module.bias, a=-bound, b=bound)
        elif isinstance(module, ResamplerPromptAdapter):
            initialization.normal_(module.queries, std=INITIAL_QUERY_STD)
        elif isinstance(module, PhoneticPromptAdapter):
            initialization.constant_(module.inverse_temperature, INITIAL_INVERSE_TEMPERATURE)
        elif isinstance(module, Lexicon):
            initialization.copy_(module.path, module.empty_path())
            initialization.zeros_(module.prompt)
            initialization.zeros_(module.bias)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint as transformers does, on the CPU in float32 unless a `dtype` is given.

        CPUs compute slower in half precision, in which checkpoints are saved to be small.
        """
        with loading_lock:
            loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if kwargs.get("dtype", kwargs.get("torch_dtype")) is None and model.device.type == "cpu":
            model.float()
        return loaded

    @classmethod
    def for_space(
        cls,
        space: PromptSpace,
        *,
        encoder: Wav2Vec2BertConfig,
        adapter: str = "resampler",
        adapter_arguments: Mapping[str, Any] | None = None,
        tokens: int | None = None,
        num_mel_bins: int = 80,
        feature_stride: int = 2,
        default_diffusion: str | None = None,
    ) -> AudioPromptEncoder:
        """Build a model with random weights for a prompt space.

        Args:
            space: prompt space of the diffusion model.
            encoder: configuration of the audio encoder.
            adapter: prompt adapter, as in `AudioPromptEncoderConfig`.
            adapter_arguments: keyword arguments of the adapter's class.
            tokens: number of prompt tokens that the adapter produces, without BOS; by default the full prompt length.
            num_mel_bins: number of mel bins.
            feature_stride: number of mel frames stacked into one encoder input.
            default_diffusion: hub id of the diffusion pipeline to load by default.
        """
        model = cls(
            AudioPromptEncoderConfig(
                encoder=encoder.to_diff_dict(),
                adapter=adapter,
                adapter_arguments=adapter_arguments,
                tokens=space.length - 1 if tokens is None else tokens,
                space_name=space.name,
                space_length=space.length,
                space_width=space.width,
                space_pooled_width=space.pooled_width,
                space_norm=space.norm,
                num_mel_bins=num_mel_bins,
                feature_stride=feature_stride,
                default_diffusion=default_diffusion,
            )
        )
        model.bos.copy_(space.bos)
        model.negative.copy_(space.negative)
        if space.pooled_negative is not None and model.pooled_negative is not None:
            model.pooled_negative.copy_(space.pooled_negative)
        return model

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Save the model as transformers does; its files are readable by others as the umask allows."""
        super().save_pretrained(save_directory, *args, **kwargs)
        apply_umask(Path(save_directory).glob("*.safetensors"))

    @property
    def prompt_space(self) -> PromptSpace:
        """The prompt space, with the embeddings that are stored in this model."""
        return PromptSpace(
            name=self.config.space_name,
            bos=self.bos,
            negative=self.negative,
            norm=self.config.space_norm,
            pooled_negative=self.pooled_negative,
        )

    @property
    def prompt_length(self) -> int:
        """Number of tokens of a prompt that this model produces, BOS included."""
        return 1 + self.config.tokens

    @property
    def empty_prompt(self) -> AudioPrompt:
        """The prompt of the empty text, as one row of `prompt_length` tokens."""
        pooled = None if self.pooled_negative is None else self.pooled_negative[None]
        return AudioPrompt(self.negative[None, : self.prompt_length], pooled)

    def extract_features(self, recordings: Sequence[AudioSource]) -> LogMel:
        """Compute the arguments of `forward` for recordings, on this model's device."""
        config = self.config
        features, mask = log_mel(
            [load_waveform(recording) for recording in recordings],
            num_mel_bins=config.num_mel_bins,
            stride=config.feature_stride,
            padding_value=config.padding_value,
            device=self.device,
        )
        return LogMel(*self._fit_input(features, mask))

    def _fit_input(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Crop features to `max_input_tokens`, or crop or pad them to `input_tokens` and unmask the padding."""
        if self.config.input_tokens is None:
            return features[:, : self.config.max_input_tokens], mask[:, : self.config.max_input_tokens]
        missing = self.config.input_tokens - features.shape[1]  # negative: `pad` crops
        features = pad(features, (0, 0, 0, missing), value=self.config.padding_value)
        return features, mask.new_ones(features.shape[:2])

    def forward(self, input_features: Tensor, attention_mask: Tensor) -> AudioPrompt:
        """Encode log-mel features into prompts.

        Args:
            input_features: (B, F, num_mel_bins * feature_stride), from `log_mel`.
            attention_mask: (B, F), 1 for features of the recording and 0 for padding, which does not change the result.
                Features are cropped, or padded, as `input_tokens` and `max_input_tokens` of the configuration say.

        Returns:
            Prompts of BOS and `tokens` further tokens, (B, S, D), pooled embeddings where the space has them, and
            mixture weights where the adapter mixes memorised prompts.
        """
        if self.config.input_tokens is not None:
            input_features = input_features.masked_fill(attention_mask[..., None] == 0, self.config.padding_value)
        input_features, attention_mask = self._fit_input(input_features, attention_mask)
        states = self.encoder(input_features.to(self.dtype), attention_mask=attention_mask).last_hidden_state
        return self._adapt(states, attention_mask)

    def _adapt(self, states: Tensor, attention_mask: Tensor) -> AudioPrompt:
        """Turn encoder states (B, F, D) and their mask (B, F) into prompts."""
        if not isinstance(self.adapter, PhoneticPromptAdapter):
            return self._with_bos(self.adapter(states, attention_mask))
        rows = zip(states, attention_mask.bool(), strict=True)
        return self._mix(self.adapter, ([row[mask]] for row, mask in rows))

    def _adapt_blocks(self, states: Iterable[Tensor]) -> AudioPrompt:
        """Turn encoder states (1, F, D), which come in blocks, into a prompt, as `_adapt` does."""
        if not isinstance(self.adapter, PhoneticPromptAdapter):
            return self._with_bos(self.adapter.adapt_blocks(states))
        return self._mix(self.adapter, [(block[0] for block in states)])

    def _mix(self, adapter: PhoneticPromptAdapter, states: Iterable[Iterable[Tensor]]) -> AudioPrompt:
        """Turn the states (f, D) of B recordings, each in blocks, into prompts, and decide which of them are known."""
        weights, measurements = adapter.measured_weights(states)
        prompts = self._with_bos(adapter.mix(weights))._replace(mixture_weights=weights)
        if self.known_sounds is None:
            return prompts._replace(known=(None,) * len(weights))
        log_odds = self.known_sounds.log_odds(measurements).tolist()
        return prompts._replace(known=tuple(each > 0 for each in log_odds), log_odds=tuple(log_odds))

    def _with_bos(self, tokens: Tensor) -> AudioPrompt:
        """Prepend the BOS embedding to the adapter's tokens, (B, tokens, D), and compute pooled embeddings."""
        bos = self.bos.to(tokens.dtype).expand(len(tokens), 1, -1)
        pooled = None if self.pooled_projection is None else self.pooled_projection(tokens.mean(dim=1))
        return AudioPrompt(torch.cat([bos, tokens], dim=1), pooled)

    @torch.no_grad()
    def memorised_prompts(self) -> AudioPrompt:
        """Return the prompts that mixture weights refer to, (N, S, D).

        Raises:
            InputError: the adapter does not mix memorised prompts.
        """
        if not isinstance(self.adapter, PhoneticPromptAdapter):
            raise InputError(
                f"only a phonetic adapter memorises prompts; this model has adapter {self.config.adapter!r}"
            )
        return self._with_bos(self.adapter.mix(torch.eye(self.adapter.shape[0], device=self.device)))

    def check_prompts(self, prompts: AudioPrompt) -> AudioPrompt:
        """Return precomputed prompts on this model's device and in its dtype.

        A diffusion pipeline would accept prompts of any length, but its negative prompt must have the same length, and
        a negative prompt that is a recording has the length that this model produces.

        Raises:
            InputError: there are no prompts, their shape is not that of this model's prompts, or they are not finite.
        """
        space, rows = self.prompt_space, len(prompts.prompt_embeds)
        expected = [(rows, self.prompt_length, space.width)]
        expected += [] if space.pooled_width is None else [(rows, space.pooled_width)]
        tensors = [tensor for tensor in prompts[:2] if tensor is not None]
        shapes = [tuple(tensor.shape) for tensor in tensors]
        if not rows or shapes != expected:
            raise InputError(f"prompts must have at least one row and the shapes {expected}; got {shapes}")
        # A diffusion pipeline would turn NaN into a black image without an error.
        if not all(bool(tensor.isfinite().all()) for tensor in tensors):
            raise InputError("prompts must be finite; got NaN or infinity")
        pooled = prompts.pooled_prompt_embeds
        return AudioPrompt(
            prompts.prompt_embeds.to(self.device, self.dtype),
            None if pooled is None else pooled.to(self.device, self.dtype),
            prompts.windows,
        )

    @torch.no_grad()
    def encode(
        self,
        recordings: Sequence[AudioSource | LongRecording],
        *,
        batch_size: int = 8,
        on_progress: Callable[[float], None] | None = None,
    ) -> AudioPrompt:
        """Encode recordings of any length into prompts; the prompt of a recording does not depend on the others.

        A recording of many minutes, see `photism.encoder.chunked.max_exact_tokens`, is encoded in overlapping windows,
        and one of more than an hour is not held in memory.

        Args:
            recordings: anything that `load_recording` takes.
            batch_size: number of recordings encoded at once.
            on_progress: called, while a recording of more than an hour is encoded, with the seconds of it that are.

        Returns:
            The prompts, the number of windows in which each recording was encoded, of which 1 means exact, and whether
            each is known, with the log-odds: False where there is nothing to hear or where the model's `known_sounds`
            refuse it, None if the model has none.

        Raises:
            InputError: there are no recordings, or one cannot be read.
            NotFiniteError: a prompt is not finite.
        """
        if not len(recordings):
            raise InputError("recordings must hold at least one recording; got none")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1; got {batch_size}")
        # The mode of the caller's modules stays as it is: another thread may be training them.
        encoder = copy_modules(self).eval() if any(module.training for module in self.modules()) else self
        encoded: list[AudioPrompt] = []
        for start in range(0, len(recordings), batch_size):
            check_cancelled()
            batch = [load_recording(each) for each in recordings[start : start + batch_size]]
            prompts = concatenate(encoder._encode_batch(batch, on_progress))
            known = prompts.known or (None,) * len(batch)
            known = [False if each.level.is_silent else one for each, one in zip(batch, known, strict=True)]
            encoded.append(prompts._replace(known=tuple(known)))
        prompts = concatenate(encoded)
        for name, embeddings in (
            ("prompt_embeds", prompts.prompt_embeds),
            ("pooled_prompt_embeds", prompts.pooled_prompt_embeds),
        ):
            if embeddings is not None:
                check_finite(embeddings, name, self.dtype)
        return prompts

    def _encode_batch(
        self, recordings: Sequence[Recording], on_progress: Callable[[float], None] | None
    ) -> list[AudioPrompt]:
        """Encode recordings together if they fit into memory, else one at a time."""
        waveforms = [recording for recording in recordings if isinstance(recording, Waveform)]
        all_read = len(waveforms) == len(recordings)
        if all_read and fits_one_pass(self.encoder, waveforms, stride=self.config.feature_stride):
            return [self._encode(waveforms)]
        return [
            self._encode([each]) if isinstance(each, Waveform) else self._encode_long(each, on_progress)
            for each in recordings
        ]

    def _encode_long(self, recording: LongRecording, on_progress: Callable[[float], None] | None) -> AudioPrompt:
        """Encode a recording that is read in blocks, in memory that does not grow with its length."""
        config = self.config
        log_mels = LogMelStream.measure(
            recording, num_mel_bins=config.num_mel_bins, stride=config.feature_stride, device=self.device
        )
        most_tokens = config.max_input_tokens if config.input_tokens is None else config.input_tokens
        if most_tokens is not None:
            features = log_mels.beginning(most_tokens)[None]
            mask = torch.ones(features.shape[:2], dtype=torch.long, device=self.device)
            return self._encode_features(*self._fit_input(features, mask))
        states = encode_stream(self.encoder, log_mels, passes=self.adapter.passes, on_progress=on_progress)
        return self._adapt_blocks(states)._replace(windows=(len(states.windows),))

    def _encode(self, waveforms: Sequence[Waveform]) -> AudioPrompt:
        """Encode waveforms that fit into memory together, or a single one of any length."""
        features, mask = self.extract_features(waveforms)
        if len(waveforms) > 1:
            return self(features, mask)._replace(windows=(1,) * len(waveforms))
        return self._encode_features(features[:, : int(mask.sum())], mask[:, : int(mask.sum())])

    def _encode_features(self, features: Tensor, mask: Tensor) -> AudioPrompt:
        """Encode the features (1, F, ·) of one recording, all of which are valid, and their mask (1, F)."""
        states, windows = encode_chunked(self.encoder, features)
        return self._adapt(states, mask)._replace(windows=(windows,))
