"""What an alignment trains, and the gradient of a batch, on one device or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.losses import LearnedTemperature
from photism.training.align.evaluation import Heard
from photism.training.align.objective import alignment_losses
from photism.training.align.settings import AlignSettings
from photism.training.align.targets import Targets
from photism.training.data.feature_dataset import Corpus
from photism.training.data.sampler import Batches, Piece, texts_tensor
from photism.training.distributed import Processes
from photism.training.gradient_cache import backward_chunks, encode_chunks, loss_gradients
from photism.training.microbatches import Chunks
from photism.training.optimizer import Optimization
from photism.training.sharding import shard
from photism.training.trainable import layer_depths, learning_rates, trained_tensors

TEMPERATURE = "temperature"
"""Under which checkpoints keep the logarithm of that of the contrast."""


class AlignmentLearner:
    """The model of an alignment, and the gradients of its steps.

    Args:
        model: from `build_model`, not on a device yet.
        corpus: whose training clips are heard.
        targets: of all captions of these.
        settings: of the training.
        accelerator: accelerate's.

    Raises:
        InputError: a batch cannot be shared out evenly.
    """

    def __init__(
        self, model: AudioPromptEncoder, corpus: Corpus, targets: Targets, settings: AlignSettings, accelerator: Any
    ) -> None:
        self.settings, self.corpus, self.targets = settings, corpus, targets
        self.processes = Processes(accelerator, fsdp=settings.fsdp)
        self.processes.check_batch(settings.batch_size)
        self.batch_size = settings.batch_size
        self.captions_of = [targets.numbers(clip.texts) for clip in corpus.clips]
        tokens_per_s = corpus.settings.tokens_per_s
        self.batches = Batches(
            corpus,
            self.captions_of,
            batch_size=settings.batch_size,
            longest_tokens=max(1, int(settings.max_duration_s * tokens_per_s)),
            seed=settings.seed,
        )
        # What a sound takes at least: the window of the convolutional adapter, or the other's queries.
        least = int(getattr(model.adapter, "window", model.config.tokens))
        self.chunks = Chunks(int(settings.chunk_s * tokens_per_s), least=least, processes=self.processes)
        self.steps = max(1, round(settings.epochs * self.batches.steps_per_epoch))
        nn.Module.to(model, self.processes.device)  # the type of transformers' own `to` is wrong
        depths = layer_depths(model, encoder="encoder", layers=model.encoder.config.num_hidden_layers)
        self.model = shard(model, self.processes.device) if self.processes.is_sharded else model
        self.temperature = LearnedTemperature(settings.temperature).to(self.processes.device)
        self.optimization = Optimization(
            trained_tensors(self.model),
            learning_rates(
                {**depths, TEMPERATURE: 0}, highest=settings.learning_rate, layer_decay=settings.layer_decay
            ),
            beside={TEMPERATURE: self.temperature.log_temperature},
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
        pieces = self.batches.batch(step)
        self.model.train()
        while (losses := self._gradients(pieces, step)) is None:
            self.optimization.zero_grad()
            self.chunks.halve(pieces)
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
        parts = [self._forward(chunk) for chunk in self.chunks.of([pieces[row] for row in rows])]
        heard = [self.processes.gather(torch.cat(each).float()).cpu() for each in zip(*parts, strict=True)]
        place = torch.empty(len(pieces), dtype=torch.long)
        place[self.processes.dealt(rows)] = torch.arange(len(rows))
        captions = [self.captions_of[clip] for clip in clips]
        return Heard(clips, heard[0][place], heard[1][place] if len(heard) > 1 else None, captions)

    def _gradients(self, pieces: Sequence[Piece], step: int) -> dict[str, float] | None:
        """Of the loss of the whole batch by the weights, as far as this process has a share in it.

        Returns:
            the losses; None where memory did not suffice in some process.
        """
        chunks = self.chunks.of(pieces)
        seeds = self.chunks.seeds(self.settings.seed, step, len(chunks))
        encoded = self.chunks.within_memory(lambda: encode_chunks(self._forward, chunks, seeds))
        if encoded is None:
            return None
        captions = texts_tensor(self.processes.dealt(pieces))
        losses: dict[str, Tensor] = {}

        def loss(rows: tuple[Tensor, ...]) -> Tensor:
            losses.update(self._losses(rows, captions))
            return losses["loss"]

        gather, index = self.processes.gather, self.processes.index
        gradients = loss_gradients(encoded.rows, loss, gather=gather, process=index)
        if self.processes.is_sharded:  # FSDP takes the mean over processes where the sum is meant
            gradients = tuple(each * self.processes.count for each in gradients)

        def backward() -> bool:
            backward_chunks(self._forward, chunks, seeds, last=encoded.last, gradients=gradients)
            return True

        if self.chunks.within_memory(backward) is None:
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
