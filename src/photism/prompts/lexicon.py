"""Which of the things that are known by heart a recording is likeliest to say."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from photism.errors import InputError

BLANK = 0
"""CTC's symbol for nothing, first among the symbols."""

IMPOSSIBLE = -1e6
"""The score of what has more symbols than a recording has frames. It is finite: where nothing fits, all fits alike."""


class Lexicon(nn.Module):
    """Pronunciations of prompts, each scored by the likeliest of CTC's paths through it.

    A path says one symbol or blank a frame. That of a pronunciation passes its symbols in order, stays on each as long
    as it likes, and may rest on blanks before, between and after them; between two that are the same it must. Speech
    before and after counts as its likeliest symbols less a cost a frame, as in keyword spotting, so that a
    pronunciation is found in a longer recording too.

    All pronunciations are scored exactly, in time proportional to their symbols and the recording's frames, and in
    memory that does not grow with the recording.

    Args:
        pronunciations: that are remembered; `remember` sets them.
        symbols: that they have, all together.
        prompts: that they say; each may be said in several ways, and the likeliest counts.
        outside_cost: in nats, of a frame of other speech before or after. Where it is high all is one utterance.

    Source: connectionist temporal classification (Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf),
    section 4.1, with the maximum over paths in the place of the sum; the filler is that of Rose and Paul 1990.
    """

    path: Tensor
    prompt: Tensor

    def __init__(self, pronunciations: int, symbols: int, prompts: int, *, outside_cost: float = 6.0) -> None:
        super().__init__()
        if not 1 <= pronunciations <= symbols:
            raise InputError(f"pronunciations must be from 1 to {symbols}, the symbols of all; got {pronunciations}")
        self.prompts, self.outside_cost = prompts, outside_cost
        self.register_buffer("path", torch.ones(pronunciations + symbols, dtype=torch.int16))
        self.register_buffer("prompt", torch.zeros(pronunciations, dtype=torch.int16))
        # Added to the scores: some pronunciations are likely to be heard in anything.
        self.bias = nn.Parameter(torch.zeros(pronunciations))
        self.path.copy_(self.empty_path())

    def empty_path(self) -> Tensor:
        """Return the path before pronunciations are set: all of them in sequence, a blank before each.

        All but the last have one symbol.
        """
        path = torch.ones_like(self.path)
        path[: 2 * len(self.prompt) : 2] = BLANK
        return path

    @torch.no_grad()
    def remember(self, pronunciations: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Sets the pronunciations: the prompt that each says, and its symbols.

        Raises:
            InputError: more or fewer than there is room for, an unknown prompt, no symbols, or a blank.
        """
        found = len(pronunciations), sum(len(symbols) for _, symbols in pronunciations)
        room = len(self.prompt), len(self.path) - len(self.prompt)
        if found != room:
            raise InputError(
                f"pronunciations must be {room[0]} of {room[1]} symbols together; got {found[0]} of {found[1]}"
            )
        for prompt, symbols in pronunciations:
            if not 0 <= prompt < self.prompts:
                raise InputError(f"a pronunciation's prompt must be from 0 to {self.prompts - 1}; got {prompt}")
            if not symbols or min(symbols) <= BLANK:
                raise InputError(f"a pronunciation must be of symbols from {BLANK + 1} on; got {list(symbols)}")
        self.path.copy_(torch.tensor([symbol for _, symbols in pronunciations for symbol in (BLANK, *symbols)]))
        self.prompt.copy_(torch.tensor([prompt for prompt, _ in pronunciations]))

    def forward(self, logits: Tensor, attention_mask: Tensor) -> Tensor:
        """How likely each prompt is, said in its likeliest way.

        Args:
            logits: (B, F, V) of blank and symbols; gradients reach the bias and no further.
            attention_mask: (B, F), 1 for a frame of the recording and 0 for padding.

        Returns:
            float32 (B, prompts), log-probabilities but for a constant of the recording; none is -inf.
        """
        scores = self.score(logits, attention_mask).clamp(min=IMPOSSIBLE) + self.bias.float()
        unsaid = scores.new_full((len(scores), self.prompts), IMPOSSIBLE)
        return unsaid.scatter_reduce(1, self.prompt.long().expand_as(scores), scores, "amax")

    @torch.no_grad()
    def score(self, logits: Tensor, attention_mask: Tensor) -> Tensor:
        """The log-probability of each pronunciation's likeliest path, less that of blanks alone, without the bias.

        Takes what `forward` takes. What is added to all logits of a frame changes nothing, so that they need not be
        log-probabilities.

        Returns:
            float32 (B, pronunciations); -inf where there are too few frames.
        """
        # One by one: a processor's cache holds the paths of one recording, and each is done where it ends.
        rows = zip(logits.float(), attention_mask.bool(), strict=True)
        return torch.stack([self._score(frames[heard]) for frames, heard in rows])

    def _score(self, logits: Tensor) -> Tensor:
        """Of one recording: (F, V) -> (pronunciations,)."""
        gains = logits - logits[:, BLANK, None]
        gains[:, BLANK] = -torch.inf  # the blanks in `path` open a pronunciation and are not said
        path = self.path.int()
        opens = path == BLANK
        starts, ends = opens.nonzero()[:, 0], opens.roll(-1).nonzero()[:, 0]
        again = (path[1:] == path[:-1]).nonzero()[:, 0] + 1  # the symbols that are the one before
        # The best paths to each symbol, said in the frame before or left for blanks, and to other speech at the end.
        said = gains.new_full(path.shape, -torch.inf)
        left = torch.where(opens, 0.0, said)
        over = gains.new_full(ends.shape, -torch.inf)
        gained = torch.empty_like(said)
        outside = (gains.amax(1) - self.outside_cost).clamp(min=0).tolist()
        for gain, other in zip(gains, outside, strict=True):
            if other:
                over = torch.maximum(over, torch.maximum(said[ends], left[ends])) + other
            said_again = torch.maximum(said[again], left[again - 1])
            torch.maximum(left, said, out=left)
            torch.maximum(said[1:], left[:-1], out=said[1:])
            said[again] = said_again
            said += torch.index_select(gain, 0, path, out=gained)
            if other:
                left[starts] += other
        return torch.maximum(over, torch.maximum(said[ends], left[ends]))
