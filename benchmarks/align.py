"""Compare the training of `photism align` with the published recipe of audio2img: loss, training step and memory.

    python -m benchmarks.align [--layers 2] [--runs 3] [--device cpu] [--only WORD]

The published recipe: the Wav2Vec2-BERT of transformers with its adapter, trained by the Trainer of transformers, every
clip padded to 375 frames, a loss that broadcasts audio against text, 16 batches of 8 accumulated to a step (so that a
clip has 7 negatives), gradient checkpointing. Ours: the same encoder and adapter with random weights of the same
widths, the same 128 clips, one batch of 128. The clips are noise with the durations of speech recordings in the Tux
Paint corpus. The sides run in turns, each in a process of its own. Memory is the peak in MB above what the process held
before its first run, which for the losses is before the tokens are created.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from benchmarks.encoder import CORPUS_S, TOKENS_PER_S, WIDTH
from benchmarks.report import Report, add_output_option
from benchmarks.turns import Case, measure_runs

OURS, PUBLISHED = "Photism", "audio2img's recipe"
PROMPT_TOKENS, PROMPT_WIDTH = 47, 1024
"""Tokens S and width D of the published adapter's output, for Stable Diffusion 2.1."""
TEMPERATURE = 0.15
PADDED_TOKENS = 188  # 375 frames, as the feature extractor of transformers rounds them
STEP_SOUNDS, PUBLISHED_BATCH = 128, 8
MEMORY_CHUNK_S = 30.0  # 64 clips are 88 s: they would not fill a micro-batch of 120 s


def broadcast_loss(audio: Tensor, text: Tensor) -> Tensor:
    """Return the contrastive loss in its published form, which broadcasts to (B, B, S, D)."""
    cosine = cosine_similarity(audio[:, None], text[None], dim=-1)  # (B, B, S)
    return cross_entropy(
        cosine / TEMPERATURE, torch.arange(len(audio), device=audio.device)[:, None].expand(-1, audio.shape[1])
    )


def loss_and_gradient(batch: int, side: str, options: argparse.Namespace) -> Callable[[], object]:
    from photism.prompts.losses import sequence_contrastive_loss

    loss = broadcast_loss if side == PUBLISHED else sequence_contrastive_loss

    def work(sounds: int) -> None:
        audio, text = torch.randn((2, sounds, PROMPT_TOKENS, PROMPT_WIDTH), device=options.device).unbind()
        loss(audio.requires_grad_(), text).backward()

    work(2)  # load the libraries, whose memory does not belong to the loss
    return partial(work, batch)


def lengths_s(count: int) -> list[float]:
    return (list(CORPUS_S) * -(-count // len(CORPUS_S)))[:count]


def training_step(sounds: int, chunk_s: float, side: str, options: argparse.Namespace) -> Callable[[], object]:
    """Return a function that takes one optimizer step on this number of clips."""
    return published_step(sounds, options) if side == PUBLISHED else our_step(sounds, chunk_s, options)


def encoder_settings(options: argparse.Namespace) -> dict[str, Any]:
    return {"num_hidden_layers": options.layers, "layerdrop": 0.0, "apply_spec_augment": False}


class PublishedModel(nn.Module):
    """Encoder with the adapter whose output is the prompt, and the loss."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

        adapter = {"add_adapter": True, "num_adapter_layers": 2, "output_hidden_size": PROMPT_WIDTH}
        self.encoder = Wav2Vec2BertModel(Wav2Vec2BertConfig(**encoder_settings(options), **adapter))

    def gradient_checkpointing_enable(self, *arguments: Any, **settings: Any) -> None:
        self.encoder.gradient_checkpointing_enable(*arguments, **settings)

    def forward(self, input_features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": broadcast_loss(self.encoder(input_features).last_hidden_state.float(), labels)}


def published_step(sounds: int, options: argparse.Namespace) -> Callable[[], object]:
    from transformers import Trainer, TrainingArguments

    noise = torch.Generator().manual_seed(0)
    data = [
        {
            "input_features": torch.randn(PADDED_TOKENS, WIDTH, generator=noise),
            "labels": torch.randn(PROMPT_TOKENS, PROMPT_WIDTH, generator=noise),
        }
        for _ in range(sounds)
    ]
    model = PublishedModel(options)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=PUBLISHED_BATCH,
        gradient_accumulation_steps=sounds // PUBLISHED_BATCH,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        learning_rate=2e-5,
        max_steps=1,
        bf16=options.precision == "bf16",
        use_cpu=options.device == "cpu",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        remove_unused_columns=False,
    )
    return lambda: Trainer(model, arguments, train_dataset=data).train()


def our_step(sounds: int, chunk_s: float, options: argparse.Namespace) -> Callable[[], object]:
    from photism.prompts.prompt_space import PromptSpace
    from photism.training.data.text_embeddings import TextEmbeddings
    from photism.training.settings import AlignSettings
    from photism.training.tasks.align import AlignTask

    folder, noise = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    captions = tuple(f"caption {number}" for number in range(sounds))
    dataset = noise_dataset(folder, lengths_s(sounds), captions)
    tokens = noise.standard_normal((sounds, 76, PROMPT_WIDTH), dtype=np.float32).astype(np.float16)
    tokens.tofile(folder / "tokens")
    space = PromptSpace("random", torch.randn(PROMPT_WIDTH), torch.randn(77, PROMPT_WIDTH), 32.0)
    text = TextEmbeddings(space, captions, torch.full((sounds,), 77), (False,) * sounds, folder)
    settings = AlignSettings(
        data="noise",
        output=str(folder),
        adapter="conv",
        tokens=PROMPT_TOKENS,
        batch_size=sounds,
        chunk_s=chunk_s,
        precision=options.precision,
        regression_weight=0.0,
        symmetric=False,
        learn_temperature=False,
        epochs=1000.0,
    )
    return trainer_of(lambda device: AlignTask(settings, dataset, text, device), settings, folder, options).train_step


def noise_dataset(folder: Path, durations_s: Sequence[float], texts: Sequence[str]) -> Any:
    """Return a data set of clips of noise with a text each."""
    from photism.training.data.example import Example
    from photism.training.data.feature_cache import PreparationSettings, prepare_dataset
    from photism.training.data.feature_dataset import FeatureSettings

    noise = np.random.default_rng(0)
    examples = [
        Example(
            f"{number}",
            {"array": noise.standard_normal(round(16_000 * seconds)).astype(np.float32) / 10, "sampling_rate": 16_000},
            (text,),
            "train",
        )
        for number, (seconds, text) in enumerate(zip(durations_s, texts, strict=True))
    ]
    return prepare_dataset(examples, folder / "dataset", PreparationSettings(features=FeatureSettings()))


def trainer_of(
    make_task: Callable[[torch.device], Any], settings: Any, folder: Path, options: argparse.Namespace
) -> Any:
    """Return the trainer of a task, with an encoder of random weights."""
    from accelerate import Accelerator
    from transformers import Wav2Vec2BertConfig

    from photism.encoder.model import Wav2Vec2BertModel
    from photism.prompts.pretrained_encoder import PretrainedEncoder
    from photism.training.distributed import DistributedContext
    from photism.training.task_model import TaskModel
    from photism.training.trainer import Trainer

    config = Wav2Vec2BertConfig(**encoder_settings(options))
    pretrained = PretrainedEncoder(config, None, Wav2Vec2BertModel(config).state_dict)
    distributed = DistributedContext(Accelerator(cpu=options.device == "cpu"))
    task = make_task(distributed.device)
    model = TaskModel(task, task.builder.build(pretrained), settings, distributed)
    del pretrained
    return Trainer(
        model.compute_gradients,
        model.optimizer,
        folder,
        steps=model.steps,
        batch_size=settings.batch_size,
        distributed=distributed,
        micro_batches=model.micro_batches,
        evaluate_every=1,
        checkpoint_every_s=1e9,
        keep_checkpoints=1,
    )


CASES = [
    Case("loss and gradient, B = 64", (OURS, PUBLISHED), partial(loss_and_gradient, 64)),
    Case("loss and gradient, B = 256", (OURS,), partial(loss_and_gradient, 256)),
    Case("a step on 128 clips", (OURS, PUBLISHED), partial(training_step, STEP_SOUNDS, 120.0)),
    Case("memory of a step, B = 64", (OURS,), partial(training_step, 64, MEMORY_CHUNK_S)),
    Case("memory of a step, B = 1024", (OURS,), partial(training_step, 1024, MEMORY_CHUNK_S)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp32"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", metavar="WORD", help="run the cases whose name contains WORD")
    add_output_option(parser)
    options = parser.parse_args()
    total_s = sum(lengths_s(STEP_SOUNDS))
    report = Report(f"Alignment training, {options.layers} layers, {options.precision}", options)
    for case in CASES:
        if options.only in case.name:
            report.compare(case.name, measure_runs(case, options))
    report.print()
    print(f"128 clips are {total_s:.0f} s; {PADDED_TOKENS / TOKENS_PER_S * 128:.0f} s when padded")


if __name__ == "__main__":
    main()
