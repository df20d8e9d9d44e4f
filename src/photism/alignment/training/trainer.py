"""The steps of an alignment, on one device or many."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photism.alignment.audio_prompt_encoder import AudioPromptEncoder
from photism.alignment.data.corpus import Corpus
from photism.alignment.data.targets import Targets
from photism.alignment.loss import LearnedTemperature
from photism.alignment.training.batches import Batches, Piece, captions_tensor, chunks_of, share_of
from photism.alignment.training.checkpoints import (
    checkpoint_name,
    keep_last,
    last_checkpoint,
    read_folder,
    write_folder,
)
from photism.alignment.training.evaluation import Heard
from photism.alignment.training.grad_cache import backward_chunks, encode_chunks, loss_gradients
from photism.alignment.training.model import layer_depths, trained_tensors
from photism.alignment.training.objective import Objective
from photism.alignment.training.optimization import Average, make_optimizer, schedule, set_learning_rate
from photism.alignment.training.settings import AlignSettings
from photism.alignment.training.sharding import shard, whole, whole_like
from photism.errors import InputError

REDUCED_AT_ONCE = 2**26  # numbers of gradients that are added up over processes in one message

Evaluate = Callable[["Trainer", int], float]
"""Measures the averaged weights after a step; the higher what it returns, the better they are."""


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
        self.settings, self.accelerator, self.corpus, self.targets = settings, accelerator, corpus, targets
        self.processes, self.process = accelerator.num_processes, accelerator.process_index
        if settings.batch_size % self.processes:
            raise InputError(
                f"batch_size must be a multiple of the {self.processes} processes; got {settings.batch_size}"
            )
        index = {caption: number for number, caption in enumerate(targets.captions)}
        self.captions_of = [[index[caption] for caption in clip.captions] for clip in corpus.clips]
        tokens_per_s = corpus.settings.tokens_per_s
        self.batches = Batches(
            corpus,
            self.captions_of,
            batch_size=settings.batch_size,
            longest_tokens=max(1, int(settings.max_duration_s * tokens_per_s)),
            seed=settings.seed,
        )
        self.chunk_tokens = int(settings.chunk_s * tokens_per_s)
        self.steps = max(1, round(settings.epochs * self.batches.steps_per_epoch))
        self.objective = Objective(
            contrastive_weight=settings.contrastive_weight,
            symmetric=settings.symmetric,
            temperature=settings.temperature,
            learn_temperature=settings.learn_temperature,
            regression_weight=settings.regression_weight,
            norm_weight=settings.norm_weight,
            padding_weight=settings.padding_weight,
        )
        self.is_sharded = accelerator.distributed_type == "FSDP"
        nn.Module.to(model, accelerator.device)
        self.depths = layer_depths(model)
        self.model = shard(model, accelerator.device) if self.is_sharded else model
        self.parameters = trained_tensors(self.model)
        self.temperature = LearnedTemperature(settings.temperature).to(accelerator.device)
        self.optimizers = [
            make_optimizer(
                self.parameters,
                self.depths,
                learning_rate=settings.learning_rate,
                layer_decay=settings.layer_decay,
                weight_decay=settings.weight_decay,
            ),
            make_optimizer(
                {"temperature": self.temperature.log_temperature},
                {"temperature": 0},
                learning_rate=settings.learning_rate,
                layer_decay=1.0,
                weight_decay=0.0,
            ),
        ]
        self.average = Average(self.parameters, settings.ema_decay)
        self.step = 0
        self.best: float | None = None
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
        with _stop_request() as stop:
            while self.step < self.steps:
                losses = self.train_step()
                now = time.monotonic()
                self._log(losses)
                rate = (self.step - first) / max(now - began, 1e-9)
                on_step(
                    Progress(self.step, self.steps, losses, rate * settings.batch_size, (self.steps - self.step) / rate)
                )
                is_last = self.step == self.steps
                if self.step % settings.evaluate_every == 0 or is_last:
                    with self.averaged():
                        score = evaluate(self, self.step)
                        if self.best is None or score > self.best:
                            self.best = score
                            self._save_best(score)
                asked, due = self._any(stop.requested), self._any(now - saved >= settings.checkpoint_every_s)
                if asked or due or is_last:
                    self.save()
                    saved = time.monotonic()
                if asked and not is_last:
                    return False
        return True

    def train_step(self) -> dict[str, float]:
        """One step; returns the losses of the whole batch before it."""
        factor = schedule(self.step, steps=self.steps, warmup_steps=round(self.settings.warmup_share * self.steps))
        for optimizer in self.optimizers:
            set_learning_rate(optimizer, factor)
        pieces = self.batches.batch(self.step)
        self.model.train()
        while (losses := self._gradients(pieces)) is None:
            self._halve_chunk()
        self._reduce()
        norm = _clip(self.parameters.values(), self.settings.max_grad_norm)
        if not math.isfinite(losses["loss"]) or not math.isfinite(norm):
            raise InputError(
                f"learning_rate {self.settings.learning_rate:g} must be lower: the loss or its gradient is not finite "
                f"at step {self.step + 1}; the last checkpoint is good"
            )
        for optimizer in self.optimizers:
            optimizer.step()
        self._zero_grad()
        self.step += 1
        self.average.update(self.step)
        return {**losses, "gradient norm": norm, "learning rate": factor * self.settings.learning_rate}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its averaged weights, where there are some."""
        if not self.settings.ema_decay:
            yield
            return
        self.average.swap()
        try:
            yield
        finally:
            self.average.swap()

    @torch.no_grad()
    def hear(self, clips: Sequence[int]) -> Heard:
        """What the model makes of clips, on every process; each encodes its share."""
        self.model.eval()
        pieces = [
            Piece(clip, 0, min(self.corpus.clips[clip].tokens, self.batches.longest_tokens), self.captions_of[clip][0])
            for clip in clips
        ]
        order = sorted(range(len(pieces)), key=lambda row: -pieces[row].tokens)
        order += order[-1:] * (-len(order) % self.processes)  # as many for each process
        chunks = self._chunks([pieces[row] for row in order])
        parts = [self._forward(chunk) for chunk in chunks]
        rows = [self.accelerator.gather(torch.cat(each).float()).cpu() for each in zip(*parts, strict=True)]
        dealt = [row for process in range(self.processes) for row in share_of_rows(order, process, self.processes)]
        place = torch.empty(len(pieces), dtype=torch.long)
        place[dealt] = torch.arange(len(dealt))
        captions = [self.captions_of[clip] for clip in clips]
        return Heard(clips, rows[0][place], rows[1][place] if len(rows) > 1 else None, captions)

    def save(self) -> None:
        """Writes a checkpoint, and deletes those before the last ones."""
        weights = {name: whole(tensor) for name, tensor in self.parameters.items()}
        average = {name: whole(tensor, like=self.parameters[name]) for name, tensor in self.average.tensors.items()}
        optimizer: dict[str, Tensor] = {"temperature": self.temperature.log_temperature.detach().cpu()}
        for name, parameter, state in self._states():
            optimizer |= {f"{name}|{key}": whole(value, like=parameter) for key, value in state.items()}
        if self.accelerator.is_main_process:
            folder = self.folder / "checkpoints"
            write_folder(
                folder / checkpoint_name(self.step),
                {"weights": weights, "average": average, "optimizer": optimizer},
                {"step": self.step, "best": self.best, "chunk_tokens": self.chunk_tokens},
            )
            keep_last(folder, self.settings.keep_checkpoints)
        self.accelerator.wait_for_everyone()

    def _gradients(self, pieces: Sequence[Piece]) -> dict[str, float] | None:
        """Of the loss of the whole batch by the weights, as far as this process has a share in it; None where memory
        did not suffice somewhere, with nothing left of the attempt.
        """
        chunks = self._chunks(pieces)
        seeds = [self._seed(number) for number in range(len(chunks))]
        encoded = self._within_memory(lambda: encode_chunks(self._forward, chunks, seeds))
        if encoded is None:
            return None
        everyone = [piece for process in range(self.processes) for piece in share_of(pieces, process, self.processes)]
        losses: dict[str, Tensor] = {}

        def loss(rows: tuple[Tensor, ...]) -> Tensor:
            losses.update(self._losses(rows, captions_tensor(everyone)))
            return losses["loss"]

        gradients = loss_gradients(encoded.rows, loss, gather=self.accelerator.gather, process=self.process)
        if self.is_sharded:  # FSDP takes the mean over processes where the sum is meant
            gradients = tuple(each * self.processes for each in gradients)
        done = self._within_memory(
            lambda: backward_chunks(self._forward, chunks, seeds, last=encoded.last, gradients=gradients) or True
        )
        if done is None:
            return None
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, rows: tuple[Tensor, ...], captions: Tensor) -> dict[str, Tensor]:
        """Of the tokens (B, S, D) of all processes, and the pooled vectors (B, P) where there are some."""
        tokens, *pooled = rows
        device, count = tokens.device, tokens.shape[1]
        learned = self.objective.learn_temperature
        temperature = self.temperature() if learned else self.objective.temperature
        losses = self.objective.losses(
            tokens,
            self.targets.tokens(captions, count).to(device),
            temperature=temperature,
            caption_ids=captions.to(device),
            is_padding=self.targets.is_padding(captions, count).to(device),
        )
        target = self.targets.pooled(captions)
        if pooled and target is not None:
            # One vector for the whole prompt: it counts as much as all tokens together.
            of_pooled = self.objective.losses(
                pooled[0][:, None],
                target[:, None].to(device),
                temperature=temperature,
                caption_ids=captions.to(device),
            )
            losses |= {f"pooled {name}": value for name, value in of_pooled.items() if name != "loss"}
            losses["loss"] = losses["loss"] + of_pooled["loss"]
        if learned:
            losses["temperature"] = self.temperature()
        return losses

    def _forward(self, chunk: Sequence[Piece]) -> tuple[Tensor, ...]:
        """The tokens (n, S, D) without the opening one, and the pooled vectors (n, P) where there are some."""
        features, mask = self.corpus.batch((piece.clip, piece.start, piece.tokens) for piece in chunk)
        device = self.accelerator.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            prompt = self.model(features.to(device), mask.to(device))
        tokens = prompt.prompt_embeds[:, 1:]
        return (tokens,) if prompt.pooled_prompt_embeds is None else (tokens, prompt.pooled_prompt_embeds)

    def _chunks(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        """This process's share in chunks. Each process has as many, since FSDP wants all of them in each: the first
        process's sounds are the longest, and the others divide theirs as it does.
        """
        own = share_of(pieces, self.process, self.processes)
        chunks: list[list[Piece]] = []
        for chunk in chunks_of(share_of(pieces, 0, self.processes), self.chunk_tokens):
            chunks.append(own[: len(chunk)])
            own = own[len(chunk) :]
        return chunks

    def _within_memory(self, compute: Callable[[], Any]) -> Any:
        """What `compute` returns, or None where memory did not suffice, here or in another process."""
        from accelerate.utils.memory import should_reduce_batch_size

        result = None
        try:
            result = compute()
        except RuntimeError as error:
            # With FSDP the others wait within the model for this process.
            if self.is_sharded or not should_reduce_batch_size(error):
                raise
        if self._any(result is None):
            self._zero_grad()
            return None
        return result

    def _halve_chunk(self) -> None:
        if self.chunk_tokens <= 1:
            raise InputError("max_duration_s must be lower, or gradient_checkpointing on: one sound alone does not fit")
        longest = max(piece.tokens for piece in self.batches.batch(self.step))
        self.chunk_tokens = max(1, min(self.chunk_tokens, self.settings.batch_size * longest) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _reduce(self) -> None:
        """Adds gradients up over the processes. What none of its chunks has used, such as a layer that was dropped,
        has a gradient of 0.
        """
        for parameter in self.parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.processes == 1 or self.is_sharded:
            return
        held: list[Tensor] = []
        for parameter in [*self.parameters.values(), None]:
            if parameter is None or sum(each.numel() for each in held) >= REDUCED_AT_ONCE:
                flat = torch.cat([each.flatten() for each in held])
                torch.distributed.all_reduce(flat)
                for each, total in zip(held, flat.split([each.numel() for each in held]), strict=True):
                    each.copy_(total.view_as(each))
                held = []
            if parameter is not None and parameter.grad is not None:
                held.append(parameter.grad)

    def _any(self, condition: bool) -> bool:
        """Whether it holds in any process."""
        if self.processes == 1:
            return condition
        flag = torch.tensor([float(condition)], device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum").item())

    def _seed(self, chunk: int) -> int:
        numbers = (self.settings.seed, self.step, self.process, chunk)
        return hash(numbers) % 2**63  # of integers alone, which is the same in every run

    def _zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _states(self) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """What the optimizers know of each parameter."""
        named = [*self.parameters.items(), ("temperature", self.temperature.log_temperature)]
        for name, parameter in named:
            for optimizer in self.optimizers:
                if parameter in optimizer.state:
                    yield name, parameter, optimizer.state[parameter]

    def _save_best(self, score: float) -> None:
        weights = {name: whole(tensor) for name, tensor in self.parameters.items()}
        if self.accelerator.is_main_process:
            write_folder(self.folder / "best", {"weights": weights}, {"step": self.step, "score": score})
        self.accelerator.wait_for_everyone()

    def load_best(self) -> None:
        """Takes the weights that were measured best."""
        tensors, _ = read_folder(self.folder / "best")
        self._load(tensors["weights"])

    @torch.no_grad()
    def _load(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(whole_like(weights[name], parameter))

    @torch.no_grad()
    def _resume(self) -> None:
        path = last_checkpoint(self.folder / "checkpoints")
        if path is None:
            return
        tensors, state = read_folder(path)
        self.step, self.best = state["step"], state["best"]
        self.chunk_tokens = min(self.chunk_tokens, state["chunk_tokens"])
        self._load(tensors["weights"])
        for name, parameter in self.parameters.items():
            held = whole_like(tensors["average"][name], parameter)
            self.average.tensors[name].copy_(held.to_local() if hasattr(held, "to_local") else held)
        optimizer = tensors["optimizer"]
        self.temperature.log_temperature.copy_(optimizer.pop("temperature"))
        parameters = {**self.parameters, "temperature": self.temperature.log_temperature}
        for key, value in optimizer.items():
            name, _, entry = key.partition("|")
            parameter = parameters[name]
            owner = self.optimizers[name == "temperature"]
            owner.state[parameter][entry] = value if entry == "step" else whole_like(value, parameter)
        self._cut_log()

    def _log(self, losses: Mapping[str, float]) -> None:
        if self.accelerator.is_main_process:
            with (self.folder / "log.jsonl").open("a", encoding="utf8") as file:
                file.write(json.dumps({"step": self.step, **losses}) + "\n")

    def _cut_log(self) -> None:
        """Leaves out what came after the checkpoint: it is to come again."""
        path = self.folder / "log.jsonl"
        if not self.accelerator.is_main_process or not path.is_file():
            return
        lines = path.read_text(encoding="utf8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.step]
        part = path.with_suffix(".part")
        part.write_text("".join(kept), encoding="utf8")
        os.replace(part, path)


def share_of_rows(rows: Sequence[int], process: int, processes: int) -> Sequence[int]:
    """As `share_of`, of numbers."""
    return rows[process::processes]


def _clip(parameters: Any, longest: float) -> float:
    norm = torch.nn.utils.clip_grad_norm_(parameters, longest)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)


class _StopRequest:
    requested = False


@contextmanager
def _stop_request() -> Iterator[_StopRequest]:
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
