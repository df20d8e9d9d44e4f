"""From encoder states of any number of frames to the fixed number of tokens of a prompt."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import Wav2Vec2BertConfig

from photism.encoder.adapter import Adapter
from photism.errors import InputError
from photism.prompts.lexicon import Lexicon

LONGEST_PERIOD = 10_000.0
"""Frames in the slowest wave of the positions, as in https://arxiv.org/abs/1706.03762."""
INITIAL_QUERY_STD = 0.02
INITIAL_SHARPNESS = 0.5


class ConvPromptAdapter(nn.Module):
    """The published adapter: two convolutional layers of stride 2 over a fixed window of frames.

    Shorter recordings are padded with zeros to the window, longer ones are cropped.

    Args:
        input_width: width of the encoder's states.
        output_width: D, width of a prompt token.
        tokens: of the prompt, without the opening one; the window is four times as many frames.
        num_heads: of the self-attention, a divisor of `output_width`.
        intermediate_width: of the feed-forward layers.

    Source: audio2img (kardSIM), whose 375 mel frames are 188 encoder frames and give 47 tokens.
    """

    def __init__(
        self, input_width: int, output_width: int, *, tokens: int, num_heads: int = 16, intermediate_width: int = 4096
    ) -> None:
        super().__init__()
        config = Wav2Vec2BertConfig(
            hidden_size=input_width,
            output_hidden_size=output_width,
            num_attention_heads=num_heads,
            intermediate_size=intermediate_width,
            add_adapter=True,
            num_adapter_layers=2,
            layerdrop=0.0,
        )
        self.window = 4 * tokens
        self.adapter = Adapter(config)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, F, input_width) states and their (B, F) mask -> (B, tokens, output_width)."""
        hidden_states = hidden_states * attention_mask.unsqueeze(-1)
        missing = self.window - hidden_states.shape[1]  # below zero: crops
        return self.adapter(pad(hidden_states, (0, 0, 0, missing)))


class ResamplerPromptAdapter(nn.Module):
    """Learned queries, one a token, that attend to a whole recording, however long: nothing is cropped.

    Args:
        input_width: width of the encoder's states.
        output_width: D, width of a prompt token.
        tokens: of the prompt, without the opening one.
        width: of the queries.
        num_layers: each attends to the recording, then the queries to one another, then a feed-forward network.
        num_heads: a divisor of `width`.
        dropout: in training, on what each part adds.

    Source: the Perceiver resampler, https://arxiv.org/abs/2204.14198, section 2.1, with sinusoidal frame positions.
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
        """(B, F, input_width) states and their (B, F) mask -> (B, tokens, output_width)."""
        frames = self.input_norm(self.input_projection(hidden_states))
        frames = frames + _positions(frames)
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
        """(B, S, D) tokens that attend to (B, F, D) frames where the mask allows."""
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
        """(B, S, D) attends to (B, F, D) -> (B, S, D)."""
        q = self.query(queries).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, S, D) -> (B, H, S, D / H)
        key_value = self.key_value(keys).unflatten(-1, (2, self.num_heads, -1))  # (B, F, 2D) -> (B, F, 2, H, D / H)
        k, v = key_value.permute(2, 0, 3, 1, 4)  # (B, F, 2, H, D / H) -> 2 × (B, H, F, D / H)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output(attended.transpose(1, 2).flatten(2))  # (B, H, S, D / H) -> (B, S, D)


class PhoneticPromptAdapter(nn.Module):
    """What is said, whoever says it: the prompt is a mixture of known ones, by how they are pronounced.

    A network on the encoder's states learns the voices of its prompts with them. Phonemes are alike for all voices, so
    that a prompt that was only ever heard from some, or only written down, is told from others too.

    Args:
        input_width: width of the encoder's states.
        output_width: D, width of a prompt token.
        tokens: of the prompt, without the opening one.
        symbols: phonemes and CTC's blank, which is the first; `phonemes` is taken from a head that was trained by CTC.
        pronunciations, pronounced: of the `Lexicon`, how many and of how many symbols together; `lexicon.remember`
            sets them.
        prompts: that are mixed; `remember` sets them.
        rank: of the prompts, as a matrix (prompts, tokens · output_width): they are much alike.

    Source: the memory is that of https://arxiv.org/abs/1606.03126, its keys are said and its values drawn.
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
        # Frames are not independent, as CTC takes them to be: what they say together is less sure.
        self.sharpness = nn.Parameter(torch.tensor(INITIAL_SHARPNESS))
        # The prompts are the product of these two.
        self.mixture = nn.Linear(prompts, rank, bias=False)
        self.basis = nn.Linear(rank, tokens * output_width, bias=False)
        self.shape = (prompts, tokens, output_width)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, F, input_width) states and their (B, F) mask -> (B, tokens, output_width).

        Gradients reach the sharpness, the bias of the pronunciations and the prompts; CTC's loss trains what is before.
        """
        return self.mix(self.shares(hidden_states, attention_mask))

    def mix(self, shares: Tensor) -> Tensor:
        """The prompts of these shares: (B, prompts) -> (B, tokens, output_width)."""
        return self.basis(self.mixture(shares.to(self.mixture.weight.dtype))).unflatten(1, self.shape[1:])

    def shares(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Of each prompt in the mixture: (B, F, input_width) states and their mask (B, F) -> float32 (B, prompts)."""
        scores = self.lexicon(self.phonemes(hidden_states), attention_mask)
        return (self.sharpness.float() * scores).softmax(-1)

    @torch.no_grad()
    def remember(self, prompts: Tensor) -> None:
        """Sets the prompts that are mixed, (prompts, tokens, output_width), as nearly as the rank allows.

        Raises:
            InputError: another shape.
        """
        if prompts.shape != self.shape:
            raise InputError(f"prompts to remember must be of shape {self.shape}; got {tuple(prompts.shape)}")
        u, s, vh = torch.linalg.svd(prompts.flatten(1).double(), full_matrices=False)
        kept = min(len(s), self.mixture.out_features)
        self.mixture.weight.zero_()[:kept].copy_((u * s)[:, :kept].T)
        self.basis.weight.zero_()[:, :kept].copy_(vh[:kept].T)


def _positions(frames: Tensor) -> Tensor:
    """Sines and cosines of each frame's index for (B, F, D): (F, D), any F."""
    half = frames.shape[2] // 2
    index = torch.arange(frames.shape[1], device=frames.device, dtype=torch.float32)
    rate = torch.exp(torch.arange(half, device=frames.device) * (-math.log(LONGEST_PERIOD) / half))
    angle = index[:, None] * rate
    positions = torch.cat([angle.sin(), angle.cos()], dim=1)
    return pad(positions, (0, frames.shape[2] - 2 * half)).to(frames.dtype)
