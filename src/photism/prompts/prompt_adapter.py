"""Prompt adapters: turn the encoder's hidden states, of any number of frames, into a fixed number of prompt tokens."""

from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import Wav2Vec2BertConfig

from photism.encoder.adapter import Adapter
from photism.errors import InputError
from photism.prompts.known_sounds import PhonemeMeter
from photism.prompts.lexicon import Lexicon
from photism.prompts.resampler_adapter import ResamplerPromptAdapter

INITIAL_INVERSE_TEMPERATURE = 0.5
"""Initial inverse temperature of a mixture of prompts. It is below 1, because CTC takes frames as independent and so
overestimates the evidence of a whole recording."""


class ConvPromptAdapter(nn.Module):
    """Adapter of audio2img: convolutional layers, by default two of stride 2, over a fixed window of frames.

    Shorter recordings are padded with zeros to the window, longer ones are cropped.

    Args:
        input_width: width of the encoder's hidden states.
        output_width: D, width of a prompt token.
        tokens: number of prompt tokens, without BOS; the window has `stride` times as many frames for each layer, if
            `kernel_size` is 3 and `stride` 2.
        num_heads: number of self-attention heads, a divisor of `output_width`.
        intermediate_width: width of the feed-forward layers.
        num_layers: number of layers.
        kernel_size: kernel size of their convolutions, in frames.
        stride: factor by which each layer lowers the frame rate.

    Source: audio2img (kardSIM), which turns 375 mel frames into 188 encoder frames and 47 tokens.
    """

    passes = 1
    """Number of times that `adapt_blocks` reads the states."""

    def __init__(
        self,
        input_width: int,
        output_width: int,
        *,
        tokens: int,
        num_heads: int = 16,
        intermediate_width: int = 4096,
        num_layers: int = 2,
        kernel_size: int = 3,
        stride: int = 2,
    ) -> None:
        super().__init__()
        config = Wav2Vec2BertConfig(
            hidden_size=input_width,
            output_hidden_size=output_width,
            num_attention_heads=num_heads,
            intermediate_size=intermediate_width,
            add_adapter=True,
            num_adapter_layers=num_layers,
            adapter_kernel_size=kernel_size,
            adapter_stride=stride,
            layerdrop=0.0,
        )
        self.window = tokens
        for _ in range(num_layers):  # the most frames of which a convolution, padded by half its stride, makes as many
            self.window = stride * self.window - 1 + kernel_size - 2 * (stride // 2)
        self.adapter = Adapter(config)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Turn hidden states (B, F, input_width) and their mask (B, F) into tokens (B, tokens, output_width)."""
        hidden_states = hidden_states * attention_mask.unsqueeze(-1)
        missing = self.window - hidden_states.shape[1]  # negative: `pad` crops
        return self.adapter(pad(hidden_states, (0, 0, 0, missing)))

    def adapt_blocks(self, states: Iterable[Tensor]) -> Tensor:
        """Turn the hidden states (1, f, input_width) of one recording, in blocks, into tokens as `forward` does."""
        window: list[Tensor] = []
        for block in states:
            window.append(block)
            if sum(each.shape[1] for each in window) >= self.window:
                break
        joined = torch.cat(window, dim=1)
        return self(joined, joined.new_ones(joined.shape[:2]))


class PhoneticPromptAdapter(nn.Module):
    """Mixture of memorised prompts, weighted by how well their pronunciations match the recording.

    A network on the encoder's hidden states would learn the voices of its training prompts along with the prompts.
    Phonemes are the same for all voices, so that a prompt can also be recognised when it was heard from few speakers,
    or when only its spelling is known.

    Args:
        input_width: width of the encoder's hidden states.
        output_width: D, width of a prompt token.
        tokens: number of prompt tokens, without BOS.
        symbols: number of phonemes and CTC's blank, which is the first; `phonemes` is taken from a trained CTC head.
        pronunciations: number of pronunciations of the `Lexicon`; `lexicon.set_pronunciations` sets them.
        pronounced: total number of symbols of these pronunciations.
        prompts: number of memorised prompts; `set_prompts` sets them.
        rank: rank of the prompts as a matrix (prompts, tokens · output_width), which are similar to one another.

    Source: a key-value memory, https://arxiv.org/abs/1606.03126, whose keys are pronunciations and whose values are
    prompts.
    """

    passes = 1
    """Number of times that `adapt_blocks` reads the states."""

    def __init__(
        self,
        input_width: int,
        output_width: int,
        *,
        tokens: int,
        symbols: int,
        pronunciations: int,
        pronounced: int,
        prompts: int,
        rank: int = 256,
    ) -> None:
        super().__init__()
        self.phonemes = nn.Linear(input_width, symbols)
        self.lexicon = Lexicon(pronunciations, pronounced, prompts)
        # Inverse temperature of the mixture; "sharpness" in checkpoints.
        self.sharpness = nn.Parameter(torch.tensor(INITIAL_INVERSE_TEMPERATURE))
        # The memorised prompts are the product of these two.
        self.mixture = nn.Linear(prompts, rank, bias=False)
        self.basis = nn.Linear(rank, tokens * output_width, bias=False)
        self.shape = (prompts, tokens, output_width)

    @property
    def inverse_temperature(self) -> nn.Parameter:
        """Factor of the lexicon's scores before the softmax."""
        return self.sharpness

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Turn hidden states (B, F, input_width) and their mask (B, F) into tokens (B, tokens, output_width).

        Gradients reach the inverse temperature, the bias of the pronunciations and the prompts; the layers before them
        are trained by a CTC loss.
        """
        return self.mix(self.mixture_weights(hidden_states, attention_mask))

    def adapt_blocks(self, states: Iterable[Tensor]) -> Tensor:
        """Turn the hidden states (1, f, input_width) of one recording, in blocks, into tokens as `forward` does."""
        return self.mix(self.mixture_weights_of_blocks(states))

    def mix(self, weights: Tensor) -> Tensor:
        """Average the memorised prompts with weights (B, prompts), and return tokens (B, tokens, output_width)."""
        return self.basis(self.mixture(weights.to(self.mixture.weight.dtype))).unflatten(1, self.shape[1:])

    def mixture_weights(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the weight of each memorised prompt, (B, prompts) float32 with sum 1, from the input of `forward`."""
        return self._weights(self.lexicon.score(self.phonemes(hidden_states), attention_mask))

    def mixture_weights_of_blocks(self, states: Iterable[Tensor]) -> Tensor:
        """Compute the weights (1, prompts) of one recording whose hidden states (1, f, input_width) come in blocks."""
        return self._weights(self.lexicon.score_blocks(self.phonemes(block)[0] for block in states))

    def measured_weights(self, states: Iterable[Iterable[Tensor]]) -> tuple[Tensor, Tensor]:
        """Compute the weights of recordings, and measure whether they hold one of the prompts at all.

        Args:
            states: for each of B recordings, its hidden states (f, input_width) in blocks, without padding.

        Returns:
            Weights as `mixture_weights` returns them, and the measurements (B, 7) of `PhonemeMeter`.
        """
        meters, scored = [], []
        for blocks in states:
            meter = PhonemeMeter()
            scored.append(self.lexicon.score_blocks(meter.add(self.phonemes(block)) for block in blocks))
            meters.append(meter)
        scores = torch.cat(scored)
        weights = self._weights(scores)
        best = zip(
            weights.amax(1).tolist(),
            self.lexicon.best_by_prompt(scores).amax(1).tolist(),
            self.lexicon.best_pronunciations(scores),
            strict=True,
        )
        return weights, torch.tensor([meter.measure(*each) for meter, each in zip(meters, best, strict=True)])

    def _weights(self, scores: Tensor) -> Tensor:
        """Turn scores of pronunciations (B, pronunciations) into weights of prompts (B, prompts)."""
        return (self.inverse_temperature.float() * self.lexicon.best_by_prompt(scores)).softmax(-1)

    @torch.no_grad()
    def set_prompts(self, prompts: Tensor) -> None:
        """Memorise prompts, (prompts, tokens, output_width), as their best approximation of the adapter's rank.

        Raises:
            InputError: the shape differs.
        """
        if prompts.shape != self.shape:
            raise InputError(f"prompts to memorise must be of shape {self.shape}; got {tuple(prompts.shape)}")
        u, s, vh = torch.linalg.svd(prompts.flatten(1).double(), full_matrices=False)
        rank = min(len(s), self.mixture.out_features)
        self.mixture.weight.zero_()[:rank].copy_((u * s)[:, :rank].T)
        self.basis.weight.zero_()[:, :rank].copy_(vh[:rank].T)


PromptAdapter: TypeAlias = ConvPromptAdapter | ResamplerPromptAdapter | PhoneticPromptAdapter
ADAPTERS: dict[str, type[PromptAdapter]] = {
    "conv": ConvPromptAdapter,
    "resampler": ResamplerPromptAdapter,
    "phonetic": PhoneticPromptAdapter,
}
"""Prompt adapters by the names that `AudioPromptEncoderConfig` and the command line use."""
