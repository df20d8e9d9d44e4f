"""Prompt adapters: turn the encoder's hidden states, of any number of frames, into a fixed number of prompt tokens."""

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import Wav2Vec2BertConfig

from photism.encoder.adapter import Adapter
from photism.errors import InputError
from photism.prompts.lexicon import Lexicon

LONGEST_PERIOD = 10_000.0
"""Base of the wavelengths of sinusoidal position embeddings, in frames, as in https://arxiv.org/abs/1706.03762."""
INITIAL_QUERY_STD = 0.02
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


class ResamplerPromptAdapter(nn.Module):
    """Perceiver resampler: learned queries, one per token, that attend to a whole recording of any length.

    Args:
        input_width: width of the encoder's hidden states.
        output_width: D, width of a prompt token.
        tokens: number of prompt tokens, without BOS.
        width: width of the queries.
        num_layers: number of layers, each of cross-attention to the recording, self-attention between the queries, and
            a feed-forward network.
        num_heads: number of attention heads, a divisor of `width`.
        dropout: dropout of the output of each sub-layer in training.

    Source: Flamingo, https://arxiv.org/abs/2204.14198, section 2.1, with sinusoidal embeddings of frame positions.
    """

    def __init__(
        self,
        input_width: int,
        output_width: int,
        *,
        tokens: int,
        width: int = 512,
        num_layers: int = 2,
        num_heads: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(tokens, width) * INITIAL_QUERY_STD)
        self.input_projection = nn.Linear(input_width, width)
        self.input_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(_ResamplerLayer(width, num_heads, dropout) for _ in range(num_layers))
        self.output_norm = nn.LayerNorm(width)
        self.output_projection = nn.Linear(width, output_width)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Turn hidden states (B, F, input_width) and their mask (B, F) into tokens (B, tokens, output_width)."""
        frames = self.input_norm(self.input_projection(hidden_states))
        frames = frames + _sinusoids(frames)
        tokens = self.queries.to(frames.dtype).expand(len(frames), -1, -1)
        mask = attention_mask.bool()[:, None, None, :]  # (B, F) -> (B, H, S, F), broadcast
        for layer in self.layers:
            tokens = layer(tokens, frames, mask)
        return self.output_projection(self.output_norm(tokens))


class _ResamplerLayer(nn.Module):
    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.frame_attention_norm = nn.LayerNorm(width)
        self.frame_attention = _Attention(width, num_heads)
        self.token_attention_norm = nn.LayerNorm(width)
        self.token_attention = _Attention(width, num_heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """Update tokens (B, S, D) from frames (B, F, D) and a mask that broadcasts to (B, H, S, F)."""
        tokens = tokens + self.dropout(self.frame_attention(self.frame_attention_norm(tokens), frames, mask))
        normed = self.token_attention_norm(tokens)
        tokens = tokens + self.dropout(self.token_attention(normed, normed, None))
        return tokens + self.dropout(self.feed_forward(tokens))


class _Attention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        if width % num_heads:
            raise InputError(f"num_heads must divide the width {width}; got {num_heads}")
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """Let queries (B, S, D) attend to keys (B, F, D), and return (B, S, D)."""
        q = self.query(queries).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, S, D) -> (B, H, S, D / H)
        key_value = self.key_value(keys).unflatten(-1, (2, self.num_heads, -1))  # (B, F, 2D) -> (B, F, 2, H, D / H)
        k, v = key_value.permute(2, 0, 3, 1, 4)  # (B, F, 2, H, D / H) -> 2 × (B, H, F, D / H)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output(attended.transpose(1, 2).flatten(2))  # (B, H, S, D / H) -> (B, S, D)


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

    def mix(self, weights: Tensor) -> Tensor:
        """Average the memorised prompts with weights (B, prompts), and return tokens (B, tokens, output_width)."""
        return self.basis(self.mixture(weights.to(self.mixture.weight.dtype))).unflatten(1, self.shape[1:])

    def mixture_weights(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the weight of each memorised prompt, (B, prompts) float32 with sum 1, from the input of `forward`."""
        scores = self.lexicon(self.phonemes(hidden_states), attention_mask)
        return (self.inverse_temperature.float() * scores).softmax(-1)

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


def _sinusoids(frames: Tensor) -> Tensor:
    """Return sinusoidal embeddings (F, D) of the frame positions of (B, F, D)."""
    half = frames.shape[2] // 2
    index = torch.arange(frames.shape[1], device=frames.device, dtype=torch.float32)
    rate = torch.exp(torch.arange(half, device=frames.device) * (-math.log(LONGEST_PERIOD) / half))
    angle = index[:, None] * rate
    positions = torch.cat([angle.sin(), angle.cos()], dim=1)
    return pad(positions, (0, frames.shape[2] - 2 * half)).to(frames.dtype)
