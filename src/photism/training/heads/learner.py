"""The gradient of a batch of a task, on one device or many, and what the model hears."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from photism.audio.windowing import cut_windows
from photism.training.data.feature_dataset import Corpus
from photism.training.data.sampler import Batches, Piece
from photism.training.distributed import Processes
from photism.training.heads.augmentation import hide
from photism.training.heads.model import ADAPTER, ENCODER
from photism.training.heads.settings import FinetuneSettings
from photism.training.heads.task import Batch, Task
from photism.training.microbatches import Chunks, set_seed
from photism.training.optimizer import Optimization
from photism.training.sharding import shard
from photism.training.trainable import layer_depths, learning_rates, trained_tensors


class HeadLearner:
    """A model with a head, and the gradients of its steps.

    Args:
        model: from `build_model`, not on a device yet.
        corpus: whose training clips are heard.
        task: what is learned of them.
        settings: of the training.
        accelerator: accelerate's.

    Raises:
        InputError: a batch cannot be shared out evenly, or there are fewer sounds than it holds.
    """

    def __init__(
        self, model: nn.Module, corpus: Corpus, task: Task, settings: FinetuneSettings, accelerator: Any
    ) -> None:
        self.settings, self.corpus, self.task = settings, corpus, task
        self.processes = Processes(accelerator, fsdp=settings.fsdp)
        self.processes.check_batch(settings.batch_size)
        self.batch_size = settings.batch_size
        tokens_per_s = corpus.settings.tokens_per_s
        self.longest_tokens = max(1, int(settings.max_duration_s * tokens_per_s))
        heard_s = min(settings.max_duration_s, task.heard_s)
        self.batches = Batches(
            corpus,
            task.texts_of,
            batch_size=settings.batch_size,
            longest_tokens=max(1, int(heard_s * tokens_per_s)),
            seed=settings.seed,
            clips=task.clips,
        )
        self.chunks = Chunks(int(settings.chunk_s * tokens_per_s), least=1, processes=self.processes)
        self.steps = max(1, round(settings.epochs * self.batches.steps_per_epoch))
        nn.Module.to(model, self.processes.device)  # the type of transformers' own `to` is wrong
        depths = _depths(model)
        self.model = shard(model, self.processes.device) if self.processes.is_sharded else model
        rates = learning_rates(depths, highest=settings.learning_rate, layer_decay=settings.layer_decay)
        # The last layer is at depth 1, and has the encoder's share alone.
        share = settings.encoder_rate / settings.layer_decay
        rates = {name: rate * share if depths[name] else rate for name, rate in rates.items()}
        self.optimization = Optimization(
            trained_tensors(self.model),
            rates,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            warmup_share=settings.warmup_share,
            ema_decay=settings.ema_decay,
        )

    def gradients(self, step: int) -> dict[str, float]:
        """As `Learner` has it.

        Raises:
            InputError: a single sound does not fit into memory.
        """
        return self.gradients_of(self.batches.batch(step), step)

    def gradients_of(self, pieces: Sequence[Piece], step: int) -> dict[str, float]:
        """The same for pieces, the longest first."""
        self.model.train()
        while (loss := self._gradients(pieces, step)) is None:
            self.optimization.zero_grad()
            self.chunks.halve(pieces)
        return {"loss": loss}

    def hear(self, clips: Sequence[int]) -> list[NDArray[Any]]:
        """What the model makes of clips, on every process; each encodes its share."""
        pieces = self._measured(clips)
        rows = sorted(range(len(pieces)), key=lambda row: -pieces[row].tokens)
        rows += rows[-1:] * (-len(rows) % self.processes.count)  # as many for each process
        chunks = self.chunks.of([pieces[row] for row in rows])
        heard = self.processes.collect([each for chunk in chunks for each in self._hear(chunk)])
        found = dict(zip(self.processes.dealt(rows), heard, strict=True))
        parts: dict[int, list[NDArray[Any]]] = {}
        for row, piece in enumerate(pieces):
            parts.setdefault(piece.clip, []).append(found[row])
        return [parts[clip][0] if len(parts[clip]) == 1 else np.concatenate(parts[clip]) for clip in clips]

    def batch(self, pieces: Sequence[Piece], *, hidden_in_step: int | None = None) -> Batch:
        """Pieces on the device; those of a training step with parts of them hidden."""
        features, mask = self.corpus.batch((piece.clip, piece.start, piece.tokens) for piece in pieces)
        if hidden_in_step is not None:
            hide(
                features,
                pieces,
                self.corpus.settings,
                share=self.settings.mask_time,
                mel_share=self.settings.mask_mel,
                seed=self.settings.seed,
                step=hidden_in_step,
            )
        device = self.processes.device
        return Batch(pieces, features.to(device), mask.to(device))

    def _measured(self, clips: Iterable[int]) -> list[Piece]:
        """Clips as they are measured: from their beginning or, in windows, to their end."""
        longest = self.longest_tokens
        pieces: list[Piece] = []
        for clip in clips:
            tokens = self.corpus.clips[clip].tokens
            windows = cut_windows(tokens, length=longest, hop=longest, placement="short")
            some = windows if self.task.in_windows else windows[:1]
            pieces += [Piece(clip, start, stop - start, 0) for start, stop in some]
        return pieces

    def _gradients(self, pieces: Sequence[Piece], step: int) -> float | None:
        """Of the mean loss of the whole batch by the weights; None where memory did not suffice in some process."""
        chunks = self.chunks.of(pieces)
        seeds = self.chunks.seeds(self.settings.seed, step, len(chunks))
        total = sum(map(self.task.weight, pieces))
        # FSDP takes the mean over processes where the sum is meant.
        scale = (self.processes.count if self.processes.is_sharded else 1) / total

        def compute() -> float:
            added_up = 0.0
            for chunk, seed in zip(chunks, seeds, strict=True):
                set_seed(seed)
                batch = self.batch(chunk, hidden_in_step=step)
                with self._autocast():
                    loss = self.task.loss(self.model, batch)
                (scale * loss).backward()
                added_up += float(loss.detach())
            return added_up

        added_up = self.chunks.within_memory(compute)
        return None if added_up is None else sum(self.processes.collect([added_up])) / total

    @torch.no_grad()
    def _hear(self, chunk: Sequence[Piece]) -> list[NDArray[Any]]:
        self.model.eval()
        with self._autocast():
            return self.task.hear(self.model, self.batch(chunk))

    def _autocast(self) -> torch.autocast:
        device = self.processes.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.settings.precision == "bf16")


def _depths(model: Any) -> dict[str, int]:
    """As `layer_depths`; an adapter after the layers is new, and at the top."""
    depths = layer_depths(model, encoder=ENCODER, layers=model.config.num_hidden_layers)
    return {name: 0 if ADAPTER in name else depth for name, depth in depths.items()}
