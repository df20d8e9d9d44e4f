"""Score memorised pronunciations against the phoneme logits of a recording, as a keyword spotter does."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from photism.errors import InputError

BLANK = 0
"""Index of CTC's blank symbol."""

IMPOSSIBLE = -1e6
"""Score of a pronunciation with more symbols than the recording has frames. It is finite, so that the softmax over
prompts is uniform, and not NaN, where no pronunciation fits."""


class Lexicon(nn.Module):
    """Pronunciations of prompts, each scored by its best CTC path.

    A CTC path has one symbol or blank per frame. The path of a pronunciation passes through its symbols in order, may
    repeat each, and may have blanks before, between and after them; between two equal symbols a blank is required.
    Speech before and after the pronunciation is absorbed by a filler, which scores the best symbol of each frame less a
    cost, so that a pronunciation is also found within a longer recording.

    All pronunciations are scored exactly, in time proportional to their symbols and the recording's frames. Memory does
    not grow with the length of the recording.

    Args:
        pronunciations: number of pronunciations; `set_pronunciations` sets them.
        symbols: total number of symbols of all pronunciations.
        prompts: number of prompts. A prompt may have several pronunciations, the best of which counts.
        filler_cost: cost in nats of a frame that the filler absorbs. A high cost makes the recording one utterance.

    Source: connectionist temporal classification (Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf),
    section 4.1, with the maximum over paths in place of their sum; the filler is that of Rose and Paul 1990.
    """

    path: Tensor
    prompt: Tensor

    def __init__(self, pronunciations: int, symbols: int, prompts: int, *, filler_cost: float = 6.0) -> None:
        super().__init__()
        if not 1 <= pronunciations <= symbols:
            raise InputError(f"pronunciations must be from 1 to the {symbols} symbols of all; got {pronunciations}")
        self.prompts, self.filler_cost = prompts, filler_cost
        self.register_buffer("path", torch.ones(pronunciations + symbols, dtype=torch.int16))
        self.register_buffer("prompt", torch.zeros(pronunciations, dtype=torch.int16))
        # Added to the scores: some pronunciations score high on any recording.
        self.bias = nn.Parameter(torch.zeros(pronunciations))
        self.path.copy_(self.empty_path())

    def empty_path(self) -> Tensor:
        """Return the initial path: all pronunciations concatenated, with a blank before each.

        All have one symbol, except for the last, which has the remaining ones.
        """
        path = torch.ones(self.path.shape, dtype=self.path.dtype, device=self.path.device)
        path[: 2 * len(self.prompt) : 2] = BLANK
        return path

    @torch.no_grad()
    def set_pronunciations(self, pronunciations: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Set the pronunciations.

        Args:
            pronunciations: for each, the index of its prompt and its symbols.

        Raises:
            InputError: the number of pronunciations or symbols is not that of this lexicon, a prompt does not exist,
                or a pronunciation is empty or holds a blank.
        """
        given = len(pronunciations), sum(len(symbols) for _, symbols in pronunciations)
        size = len(self.prompt), len(self.path) - len(self.prompt)
        if given != size:
            raise InputError(f"pronunciations must be {size[0]} with {size[1]} symbols; got {given[0]} with {given[1]}")
        for prompt, symbols in pronunciations:
            if not 0 <= prompt < self.prompts:
                raise InputError(f"prompt of a pronunciation must be from 0 to {self.prompts - 1}; got {prompt}")
            if not symbols or min(symbols) <= BLANK:
                raise InputError(f"a pronunciation must consist of symbols from {BLANK + 1} on; got {list(symbols)}")
        self.path.copy_(torch.tensor([symbol for _, symbols in pronunciations for symbol in (BLANK, *symbols)]))
        self.prompt.copy_(torch.tensor([prompt for prompt, _ in pronunciations]))

    def forward(self, logits: Tensor, attention_mask: Tensor) -> Tensor:
        """Score each prompt by its best pronunciation.

        Args:
            logits: (B, F, V) logits of blank and symbols; gradients reach the bias only.
            attention_mask: (B, F), 1 for frames of the recording and 0 for padding.

        Returns:
            (B, prompts) float32, log-probabilities up to a constant of the recording; all are finite.
        """
        return self.best_by_prompt(self.score(logits, attention_mask))

    def best_by_prompt(self, scores: Tensor) -> Tensor:
        """Return the score of the best pronunciation of each prompt: (B, pronunciations) of `score` -> (B, prompts)."""
        scores = scores.clamp(min=IMPOSSIBLE) + self.bias.float()
        initial = scores.new_full((len(scores), self.prompts), IMPOSSIBLE)
        return initial.scatter_reduce(1, self.prompt.long().expand_as(scores), scores, "amax")

    @torch.no_grad()
    def score(self, logits: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the log-probability of each pronunciation's best path, relative to the path of blanks, without bias.

        A constant added to all logits of a frame does not change the scores, so that logits need no normalisation.

        Args:
            logits: (B, F, V), as for `forward`.
            attention_mask: (B, F), as for `forward`.

        Returns:
            (B, pronunciations) float32; -inf for a pronunciation with more symbols than the recording has frames.
        """
        # One recording at a time: its paths fit into the CPU's cache, and no time is spent on padding.
        rows = zip(logits.float(), attention_mask.bool(), strict=True)
        return torch.stack([self._score([frames[mask]]) for frames, mask in rows])

    @torch.no_grad()
    def score_blocks(self, blocks: Iterable[Tensor]) -> Tensor:
        """Score the pronunciations on one recording whose logits (f, V) come in blocks: (1, pronunciations)."""
        return self._score(block.float() for block in blocks)[None]

    def best_pronunciations(self, scores: Tensor) -> list[list[int]]:
        """Return the symbols of the best pronunciation for each row of scores (B, pronunciations) of `score`."""
        starts = (self.path == BLANK).nonzero()[:, 0].tolist()
        ends = [*starts[1:], len(self.path)]
        best = (scores + self.bias.float()).argmax(1).tolist()
        return [self.path[starts[index] + 1 : ends[index]].tolist() for index in best]

    def _score(self, blocks: Iterable[Tensor]) -> Tensor:
        """Score the pronunciations on one recording, blocks of logits (f, V): (pronunciations,)."""
        path = self.path.int()
        is_start = path == BLANK
        starts, ends = is_start.nonzero()[:, 0], is_start.roll(-1).nonzero()[:, 0]
        repeats = (path[1:] == path[:-1]).nonzero()[:, 0] + 1  # symbols that equal the one before
        # Viterbi scores of the paths that have reached each position in `path`: in the last frame they emitted its
        # symbol, or a blank or, before the first symbol, the filler; by pronunciation, the filler after its end.
        emitting = torch.full(path.shape, -torch.inf, device=path.device)
        resting = torch.where(is_start, 0.0, emitting)
        followed = torch.full(ends.shape, -torch.inf, device=path.device)
        path_gain = torch.empty_like(emitting)
        for gain, filler_gain in self._gains(blocks):
            if filler_gain:
                followed = torch.maximum(followed, torch.maximum(emitting[ends], resting[ends])) + filler_gain
            emitting_again = torch.maximum(emitting[repeats], resting[repeats - 1])
            torch.maximum(resting, emitting, out=resting)
            torch.maximum(emitting[1:], resting[:-1], out=emitting[1:])
            emitting[repeats] = emitting_again
            emitting += torch.index_select(gain, 0, path, out=path_gain)
            if filler_gain:
                resting[starts] += filler_gain
        return torch.maximum(followed, torch.maximum(emitting[ends], resting[ends]))

    def _gains(self, blocks: Iterable[Tensor]) -> Iterator[tuple[Tensor, float]]:
        """Yield, for each frame of blocks of logits (f, V), what each symbol (V,) and the filler gain over a blank."""
        for logits in blocks:
            gains = logits - logits[:, BLANK, None]
            gains[:, BLANK] = -torch.inf  # the blanks in `path` mark a pronunciation's start and are never emitted
            filler = (gains.amax(1) - self.filler_cost).clamp(min=0).tolist()
            yield from zip(gains, filler, strict=True)
