"""The steps of an alignment, on one device or many."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photism.alignment.audio_prompt_encoder import AudioPromptEncoder
from photism.alignment.data.targets import Targets
from photism.alignment.loss import LearnedTemperature
from photism.alignment.training.evaluation import BEST_BY, Heard
from photism.alignment.training.grad_cache import backward_chunks, encode_chunks, loss_gradients
from photism.alignment.training.model import layer_depths, trained_tensors
from photism.alignment.training.objective import alignment_losses
from photism.alignment.training.settings import AlignSettings
from photism.errors import InputError
from photism.training import logs
from photism.training.batches import Batches, Piece, captions_tensor, chunks_of, tokens_to_hold
from photism.training.checkpoints import (
    checkpoint_name,
    keep_last,
    last_checkpoint,
    read_best,
    read_folder,
    write_best,
    write_folder,
)
from photism.training.corpus import Corpus
from photism.training.optimization import Optimization
from photism.training.processes import Processes
from photism.training.sharding import shard

LOG = "log.jsonl"

BEST = "best.safetensors"

Evaluate = Callable[["Trainer", int], Mapping[str, float]]
"""Measures the averaged weights after a step; the higher `BEST_BY` among what it returns, the better they are."""


@dataclass(frozen=True)
class Progress:
    """Of a step that is done.

    Attributes:
        step, steps: its number, from 1, and that of all.
        losses: "loss" and its parts, the temperature, the factor of the learning rate.
        samples_per_s: sounds a second, over all processes.
        remaining_s: at this rate.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    samples_per_s: float
    remaining_s: float


class Trainer:
    """Trains a model, and goes on from where its folder says.

    Args:
        model: from `build_model`, not on a device yet.
        corpus: whose training clips are heard.
        targets: of all captions of these.
        settings: of the training.
        accelerator: accelerate's.

    Raises:
        InputError: a batch cannot be shared out evenly, or the checkpoint is damaged.
    """

    def __init__(
        self, model: AudioPromptEncoder, corpus: Corpus, targets: Targets, settings: AlignSettings, accelerator: Any
    ) -> None:
        self.settings, self.corpus, self.targets = settings, corpus, targets
        self.processes = Processes(accelerator)
        self.is_sharded = settings.fsdp and self.processes.count > 1
        if settings.batch_size % self.processes.count:
            raise InputError(
                f"batch_size must be a multiple of the {self.processes.count} processes; got {settings.batch_size}"
            )
        self.captions_of = [targets.numbers(clip.captions) for clip in corpus.clips]
        tokens_per_s = corpus.settings.tokens_per_s
        self.batches = Batches(
            corpus,
            self.captions_of,
            batch_size=settings.batch_size,
            longest_tokens=max(1, int(settings.max_duration_s * tokens_per_s)),
            seed=settings.seed,
        )
        self.chunk_tokens = max(1, int(settings.chunk_s * tokens_per_s))
        # What a sound takes at least: the window of the convolutional adapter, or the other's queries.
        self.least_tokens = int(getattr(model.adapter, "window", model.config.tokens))
        self.steps = max(1, round(settings.epochs * self.batches.steps_per_epoch))
        nn.Module.to(model, self.processes.device)  # the type of transformers' own `to` is wrong
        depths = layer_depths(model)
        self.model = shard(model, self.processes.device) if self.is_sharded else model
        self.temperature = LearnedTemperature(settings.temperature).to(self.processes.device)
        self.optimization = Optimization(
            trained_tensors(self.model), depths, self.temperature.log_temperature, settings
        )
        self.step = 0
        self.folder = Path(settings.output)
        self._resume()

    def run(self, *, evaluate: Evaluate, on_step: Callable[[Progress], None] = lambda progress: None) -> bool:
        """Trains to the last step; SIGINT and SIGTERM save and stop it.

        Returns:
            whether the last step was reached.
        """
        settings = self.settings
        saved = began = time.monotonic()
        first = self.step
        if self.step == 0:
            evaluate(self, 0)  # where it begins; and what cannot be measured or drawn is told now, not hours later
        with _stop_request() as stop:
            while self.step < self.steps:
                losses = self.train_step()
                now = time.monotonic()
                if self.processes.is_main:
                    logs.append(self.folder / LOG, self.step, losses)
                rate = (self.step - first) / max(now - began, 1e-9)
                remaining_s = (self.steps - self.step) / rate
                on_step(Progress(self.step, self.steps, losses, rate * settings.batch_size, remaining_s))
                is_last = self.step == self.steps
                if is_last or self.step % settings.evaluate_every == 0:
                    self._evaluate(evaluate)
                asked = self.processes.any(stop.requested)
                if is_last or asked or self.processes.any(now - saved >= settings.checkpoint_every_s):
                    self.save()
                    saved = time.monotonic()
                if asked and not is_last:
                    return False
        return True

    def train_step(self) -> dict[str, float]:
        """One step; returns the losses of the whole batch before it.

        Raises:
            InputError: the loss or its gradient is not finite, or a single sound does not fit into memory.
        """
        pieces = self.batches.batch(self.step)
        self.model.train()
        while (losses := self._gradients(pieces)) is None:
            self._halve_chunk(pieces)
        gradients = self.optimization.fill_gradients()
        if not self.is_sharded:
            self.processes.add_up(gradients)
        losses["gradient norm"] = self.optimization.clip()
        for name in ("loss", "gradient norm"):
            if not math.isfinite(losses[name]):
                raise InputError(
                    f"learning_rate must be lower than {self.settings.learning_rate:g}: the {name} is {losses[name]} "
                    f"at step {self.step + 1}; the last checkpoint is good"
                )
        losses["learning rate"] = self.optimization.step(self.step, steps=self.steps)
        self.optimization.zero_grad()
        self.step += 1
        return losses

    @torch.no_grad()
    def hear(self, clips: Sequence[int]) -> Heard:
        """What the model makes of clips, on every process; each encodes its share."""
        self.model.eval()
        longest = self.batches.longest_tokens
        pieces = [
            Piece(clip, 0, min(self.corpus.clips[clip].tokens, longest), self.captions_of[clip][0]) for clip in clips
        ]
        rows = sorted(range(len(pieces)), key=lambda row: -pieces[row].tokens)
        rows += rows[-1:] * (-len(rows) % self.processes.count)  # as many for each process
        parts = [self._forward(chunk) for chunk in self._chunks([pieces[row] for row in rows])]
        heard = [self.processes.gather(torch.cat(each).float()).cpu() for each in zip(*parts, strict=True)]
        place = torch.empty(len(pieces), dtype=torch.long)
        place[self.processes.dealt(rows)] = torch.arange(len(rows))
        captions = [self.captions_of[clip] for clip in clips]
        return Heard(clips, heard[0][place], heard[1][place] if len(heard) > 1 else None, captions)

    def save(self) -> None:
        """Writes a checkpoint, and deletes those before the last ones."""
        tensors = self.optimization.tensors()
        if self.processes.is_main:
            folder = self.folder / "checkpoints"
            state = {"step": self.step, "chunk_tokens": self.chunk_tokens}
            write_folder(folder / checkpoint_name(self.step), tensors, state)
            keep_last(folder, self.settings.keep_checkpoints)
        self.processes.wait()

    def _resume(self) -> None:
        path = last_checkpoint(self.folder / "checkpoints")
        if path is not None:
            tensors, state = read_folder(path)
            self.step = state["step"]
            self.chunk_tokens = min(self.chunk_tokens, state["chunk_tokens"])
            self.optimization.load(tensors)
        if self.processes.is_main:
            logs.cut(self.folder / LOG, self.step)
            if path is None:
                (self.folder / BEST).unlink(missing_ok=True)  # of a training that is begun anew
        self.processes.wait()
        best = read_best(self.folder / BEST)
        self.best_score = -math.inf if best is None else best.measures.get(BEST_BY, 0.0)

    def _evaluate(self, evaluate: Evaluate) -> None:
        """Measures the average, where there is one, and keeps it if it is the best."""
        averaged = self.settings.ema_decay > 0
        if averaged:
            self.optimization.swap_average()
        try:
            measures = evaluate(self, self.step)
            score = measures.get(BEST_BY, 0.0)  # where nothing can be measured the last is the best
            if score >= self.best_score:
                self.best_score = score
                weights = self.optimization.weights()
                if self.processes.is_main:
                    write_best(self.folder / BEST, weights, step=self.step, measures=measures)
                self.processes.wait()
        finally:
            if averaged:
                self.optimization.swap_average()

    def _gradients(self, pieces: Sequence[Piece]) -> dict[str, float] | None:
        """Of the loss of the whole batch by the weights, as far as this process has a share in it.

        Returns:
            the losses; None where memory did not suffice in some process, with nothing left of the attempt.
        """
        chunks = self._chunks(pieces)
        seeds = [self._seed(number) for number in range(len(chunks))]
        encoded = self._within_memory(lambda: encode_chunks(self._forward, chunks, seeds))
        if encoded is None:
            return None
        captions = captions_tensor(self.processes.dealt(pieces))
        losses: dict[str, Tensor] = {}

        def loss(rows: tuple[Tensor, ...]) -> Tensor:
            losses.update(self._losses(rows, captions))
            return losses["loss"]

        gather, index = self.processes.gather, self.processes.index
        gradients = loss_gradients(encoded.rows, loss, gather=gather, process=index)
        if self.is_sharded:  # FSDP takes the mean over processes where the sum is meant
            gradients = tuple(each * self.processes.count for each in gradients)

        def backward() -> bool:
            backward_chunks(self._forward, chunks, seeds, last=encoded.last, gradients=gradients)
            return True

        if self._within_memory(backward) is None:
            return None
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, rows: tuple[Tensor, ...], captions: Tensor) -> dict[str, Tensor]:
        """Of the tokens (B, S, D) of all processes, and the pooled vectors (B, P) where there are some."""
        tokens, *pooled = rows
        device, count = tokens.device, tokens.shape[1]
        temperature = self.temperature() if self.settings.learn_temperature else self.settings.temperature
        ids = captions.to(device)
        losses = alignment_losses(
            tokens,
            self.targets.tokens(captions, count).to(device),
            self.settings,
            temperature=temperature,
            caption_ids=ids,
            is_padding=self.targets.is_padding(captions, count).to(device),
        )
        target = self.targets.pooled(captions)
        if pooled and target is not None:
            # One vector for the whole prompt: it counts as much as all tokens together.
            of_pooled = alignment_losses(
                pooled[0][:, None], target[:, None].to(device), self.settings, temperature=temperature, caption_ids=ids
            )
            total = losses["loss"] + of_pooled.pop("loss")
            losses = {**losses, **{f"pooled {name}": value for name, value in of_pooled.items()}, "loss": total}
        return {**losses, "temperature": torch.as_tensor(temperature)}

    def _forward(self, chunk: Sequence[Piece]) -> tuple[Tensor, ...]:
        """The tokens (n, S, D) without the opening one, and the pooled vectors (n, P) where there are some.

        In the precision of the training: those of a whole batch are held.
        """
        features, mask = self.corpus.batch((piece.clip, piece.start, piece.tokens) for piece in chunk)
        device = self.processes.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            prompt = self.model(features.to(device), mask.to(device))
        rows = [prompt.prompt_embeds[:, 1:], prompt.pooled_prompt_embeds]
        # Under autocast the last norm gives float32.
        dtype = torch.bfloat16 if self.settings.precision == "bf16" else torch.float32
        return tuple(each.to(dtype) for each in rows if each is not None)

    def _chunks(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        """This process's share in chunks.

        Each process has as many, since FSDP wants all of them in each: the first one's sounds are the longest, and the
        others divide theirs as it does.
        """
        own = self.processes.share(pieces)
        chunks: list[list[Piece]] = []
        for chunk in chunks_of(self.processes.share(pieces, 0), self.chunk_tokens, least=self.least_tokens):
            chunks.append(own[: len(chunk)])
            own = own[len(chunk) :]
        return chunks

    def _within_memory(self, compute: Callable[[], Any]) -> Any:
        """What `compute` returns; None where memory did not suffice, here or in another process."""
        from accelerate.utils.memory import should_reduce_batch_size

        result = None
        try:
            result = compute()
        except RuntimeError as error:
            # With FSDP the others wait within the model for this process.
            if self.is_sharded or not should_reduce_batch_size(error):
                raise
        if self.processes.any(result is None):
            self.optimization.zero_grad()
            return None
        return result

    def _halve_chunk(self, pieces: Sequence[Piece]) -> None:
        """The chunk, not the batch, which would be another loss."""
        longest = pieces[0].tokens
        if self.chunk_tokens <= longest:
            raise InputError(
                "max_duration_s must be lower, or gradient_checkpointing on: one sound alone does not fit in memory"
            )
        held = min(self.chunk_tokens, tokens_to_hold(self.processes.share(pieces, 0), least=self.least_tokens))
        self.chunk_tokens = max(longest, held // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _seed(self, chunk: int) -> int:
        return (
            hash((self.settings.seed, self.step, self.processes.index, chunk)) % 2**63
        )  # of integers: always the same


class _StopRequest:
    requested = False


@contextmanager
def _stop_request() -> Generator[_StopRequest]:
    """Takes SIGINT and SIGTERM for a request to stop between two steps; a second SIGINT is one to stop at once."""
    stop = _StopRequest()

    def request(number: int, frame: object) -> None:
        if stop.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.requested = True

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
