"""Vectors of the prompt space of an AudioPromptEncoder, in which recordings are compared with texts.

A prompt has S tokens of width D, too many numbers for a row of a large table. Two shorter vectors are used.

Mean of the tokens, of width D. It serves every adapter.

Kernel mean embedding of a mixture of N memorised prompts, of width N. `CaptionRanker` compares such a mixture, with
weights w(p), with a caption by

    score(caption) = T · log Σ w(p) · k(p, caption),    k(p, q) = exp(cos(p, q) / T)

and the sum is a dot product: with the kernel matrix of the memorised prompts and its Cholesky factor, K = L·Lᵀ, and
with the vector k of a caption's kernel values k(p, caption),

    recording → Lᵀ·w,    caption → L⁻¹·k,    (Lᵀ·w)·(L⁻¹·k) = w·k

and for two recordings (Lᵀ·w)·(Lᵀ·v) = Σ w(p) · v(q) · k(p, q). The vectors are scaled to unit length, as a table of
vectors expects; benchmarks/README.md says what that costs. The factor is unique, unlike the axes of an eigenvalue
decomposition, so that vectors that two machines compute are comparable.

Source: Smola et al. 2007, A Hilbert space embedding for distributions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.linalg import solve_triangular
from torch.nn.functional import normalize, pad

from photism.audio.long_recording import LongRecording
from photism.audio.waveform import Waveform
from photism.fingerprint import combine, model_fingerprint
from photism.listening.vectors import Vector, unit_vectors
from photism.listening.zero_shot import MIXTURE_TEMPERATURE, CaptionRanker, RankedCaption
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.metrics import sequence_similarity

MAX_WIDTH = 2048
"""Largest number of memorised prompts whose kernel is used; a model of more has the means of its tokens as vectors."""
WIDTH_MULTIPLE = 8
"""Vectors are padded with zeros to a multiple of this width, which vector indices of Lance need."""
RIDGE = 1e-6
"""Added to the diagonal of the kernel matrix, as a fraction of it, so that equal prompts do not make it singular."""


class PromptVectors:
    """Vectors of recordings and texts in the prompt space of an encoder.

    Args:
        ranker: encoder of recordings, and the text encoder of its prompt space.
        caption_count: number of the model's captions nearest to a recording that come with its vector.
        fingerprint: of the models.
    """

    refuses_silence = False

    def __init__(self, ranker: CaptionRanker, *, caption_count: int = 0, fingerprint: str = "") -> None:
        self.ranker, self.encoder, self.caption_count = ranker, ranker.encoder, caption_count
        self.fingerprint = fingerprint
        self._kernel = _Kernel.of(ranker)
        self.width: int = self.encoder.config.space_width if self._kernel is None else self._kernel.width

    def embed(self, waveforms: Sequence[Waveform]) -> list[Vector]:
        """Return the vectors of waveforms of similar length."""
        return self._vectors(self.encoder.encode(waveforms, batch_size=len(waveforms)))

    def embed_long(self, recording: LongRecording, on_progress: Callable[[float], None]) -> Vector:
        """Return the vector of a recording that is read in blocks."""
        return self._vectors(self.encoder.encode([recording], on_progress=on_progress))[0]

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str], *, literal: bool = False) -> Tensor:
        """Return the vectors (M, D) of texts, not yet scaled to unit length.

        A text in another language that stands for captions of the model has the mean direction of their vectors,
        unless texts are literal. Texts that are cut off are reported.
        """
        meanings = [None if literal else self.ranker.translations.find(text) for text in texts]
        groups = [(text,) if each is None else each.captions for text, each in zip(texts, meanings, strict=True)]
        captions = [caption for group in groups for caption in group]
        tokens = self.ranker.encode_captions(captions, name="text")[:, 1 : self.encoder.prompt_length]
        embeddings = _mean_of_tokens(tokens) if self._kernel is None else self._kernel.embed(tokens)
        parts = normalize(embeddings, dim=1).split([len(group) for group in groups])
        return torch.stack([part.mean(0) for part in parts])

    @torch.no_grad()
    def _vectors(self, prompts: AudioPrompt) -> list[Vector]:
        if self._kernel is None or prompts.mixture_weights is None:
            embeddings = _mean_of_tokens(prompts.prompt_embeds[:, 1:])
        else:
            embeddings = self._kernel.mix(prompts.mixture_weights)
        captions: Sequence[Sequence[RankedCaption]] = [[] for _ in embeddings]
        if self.caption_count and self.ranker.captions:
            captions = self.ranker.rank_prompts(prompts, top_k=self.caption_count)
        rows = zip(unit_vectors(embeddings, self.encoder.dtype), prompts.known, captions, strict=True)
        return [Vector(row, known, tuple(nearest)) for row, known, nearest in rows]


class _Kernel:
    """Kernel of the memorised prompts.

    Attributes:
        prompts: their tokens without BOS, float32 (N, S, D).
        factor: Cholesky factor L of the kernel matrix, float64 (N, N) on the CPU.
        width: D, N rounded up to a multiple of `WIDTH_MULTIPLE`.
    """

    def __init__(self, prompts: Tensor) -> None:
        self.prompts = prompts
        matrix = self._values(prompts)
        matrix.diagonal().mul_(1 + RIDGE)
        self.factor = torch.linalg.cholesky(matrix)
        self._padding = (0, -len(prompts) % WIDTH_MULTIPLE)
        self.width = len(prompts) + self._padding[1]

    @classmethod
    def of(cls, ranker: CaptionRanker) -> _Kernel | None:
        """Return the kernel of the prompts that an encoder has memorised; None if it has none, or too many."""
        config = ranker.encoder.config
        if config.adapter != "phonetic" or config.adapter_arguments["prompts"] > MAX_WIDTH:
            return None
        return cls(ranker.encoder.memorised_prompts().prompt_embeds[:, 1:].float())

    def mix(self, weights: Tensor) -> Tensor:
        """Return the vectors (B, D) of mixture weights (B, N)."""
        return pad(weights.cpu().double() @ self.factor, self._padding)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the vectors (M, D) of the tokens of texts, (M, S, D_prompt)."""
        vectors = solve_triangular(self.factor, self._values(tokens.to(self.prompts)), upper=False).T
        return pad(vectors, self._padding)

    def _values(self, tokens: Tensor) -> Tensor:
        """Return k(p, text) of N memorised prompts and M texts, float64 (N, M) on the CPU."""
        return (sequence_similarity(self.prompts, tokens).cpu().double() / MIXTURE_TEMPERATURE).exp()


def _mean_of_tokens(tokens: Tensor) -> Tensor:
    """Return the mean (B, D) of the directions of tokens (B, S, D)."""
    return normalize(tokens.float(), dim=-1).mean(1)


def prompt_fingerprint(ranker: CaptionRanker) -> str:
    """Return the fingerprint of an encoder of recordings and of the text encoder of its prompt space."""
    config = ranker.encoder.config
    features = (config.num_mel_bins, config.feature_stride, config.input_tokens, config.max_input_tokens)
    text_encoder = model_fingerprint(ranker.diffusion.text_encoder)
    return combine("prompt", model_fingerprint(ranker.encoder), text_encoder, features)
