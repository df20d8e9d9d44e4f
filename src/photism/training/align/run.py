"""An alignment from beginning to end: data, targets, training, measures, result."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from photism.errors import InputError
from photism.prompts.diffusion import load_diffusion
from photism.training import json_log as logs
from photism.training.align.evaluation import BEST_BY
from photism.training.align.learner import AlignmentLearner
from photism.training.align.model import build_model
from photism.training.align.monitor import Measurement
from photism.training.align.report import CorpusReport, report_corpus
from photism.training.align.result import PUBLISHED, write_model
from photism.training.align.settings import RUNNING, SETTINGS, AlignSettings
from photism.training.align.targets import Targets, prepare_targets
from photism.training.checkpoint import read_best
from photism.training.data.cache import cache_folder, lock
from photism.training.data.captions import captions_of_row
from photism.training.data.feature_cache import cached_corpus
from photism.training.data.feature_dataset import Corpus, FeatureSettings
from photism.training.data.readers import Example, fingerprint, read_examples
from photism.training.data.sampler import distinct_negatives
from photism.training.distributed import new_accelerator
from photism.training.monitor import Listener, Monitor
from photism.training.output import check_output
from photism.training.pretrained import feature_settings, load_start
from photism.training.provenance import check_hub, push_to_hub, write_provenance
from photism.training.trainable import without_lora
from photism.training.trainer import BEST, Loop

if TYPE_CHECKING:
    from collections.abc import Iterator

NEGATIVES_OF_STEPS = 20


def align(settings: AlignSettings, *, resume: bool = False, listener: Listener | None = None) -> bool:
    """Trains an `AudioPromptEncoder` and writes it to `settings.output`.

    Under `accelerate launch` or `torchrun` every process calls this.

    Args:
        settings: of it.
        resume: go on from the last checkpoint in the output, where there is one.
        listener: is told how it goes.

    Returns:
        whether it is finished; a request to stop leaves a checkpoint to go on from.

    Raises:
        InputError: settings, data or models that cannot be used.
    """
    check_output(settings, file=SETTINGS, running=RUNNING, resume=resume)
    output = Path(settings.output)
    accelerator = new_accelerator(cpu=settings.cpu)
    listener = listener if listener and accelerator.is_main_process else Listener()
    if settings.push_to_hub and accelerator.is_main_process:
        check_hub(settings.push_to_hub)
    columns = tuple(map(str.strip, settings.text_column.split(","))) if settings.text_column else None
    examples = read_examples(
        settings.data,
        partial(captions_of_row, text_columns=columns, label_template=settings.label_template),
        sound_column=settings.sound_column,
        dataset_config=settings.dataset_config,
    )
    listener.stage("loading the encoder")
    start = load_start(settings.encoder)
    features = feature_settings(start)
    listener.stage("reading the sounds")
    corpus = _prepare_corpus(settings, examples, features, listener)
    listener.stage("encoding the captions")
    targets = _prepare_targets(settings, corpus, accelerator.device, listener)
    model = build_model(start, targets.space, settings)
    del start
    gc.collect()

    output.mkdir(parents=True, exist_ok=True)
    learner = AlignmentLearner(model, corpus, targets, settings, accelerator)
    loop = Loop(
        learner,
        output,
        score=lambda measures: measures.get(BEST_BY, 0.0),  # where nothing can be measured the last is the best
        evaluate_every=settings.evaluate_every,
        checkpoint_every_s=settings.checkpoint_every_s,
        keep_checkpoints=settings.keep_checkpoints,
    )
    is_main = learner.processes.is_main
    if is_main:
        write_provenance(output, settings, file=SETTINGS)
    report = report_corpus(
        corpus,
        targets,
        batch_size=settings.batch_size,
        negatives=distinct_negatives(learner.batches, min(learner.steps, NEGATIVES_OF_STEPS)),
        max_duration_s=settings.max_duration_s,
    )
    listener.report(report.lines())
    monitor = Monitor(output, step=loop.step, is_main=is_main, listener=listener)
    listener.stage("training")
    finished = loop.run(evaluate=Measurement(settings, learner, monitor), on_step=monitor.log)
    monitor.close()
    if finished and is_main:
        listener.stage("writing the model")
        _finish(settings, targets, corpus, report, monitor)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return finished


def _prepare_corpus(
    settings: AlignSettings, examples: Iterator[Example], features: FeatureSettings, listener: Listener
) -> Corpus:
    return cached_corpus(
        examples,
        {
            "data": fingerprint(settings.data, settings.dataset_config),
            "sound": settings.sound_column,
            "captions": [settings.text_column, settings.label_template],
        },
        settings=features,
        text="caption",
        validation_share=settings.validation_share,
        max_unreadable=settings.max_unreadable,
        limit=settings.limit,
        on_clip=listener.prepared,
    )


def _prepare_targets(settings: AlignSettings, corpus: Corpus, device: torch.device, listener: Listener) -> Targets:
    """By the process that comes first; afterwards the text encoder is gone from memory."""
    captions = list(dict.fromkeys(caption for clip in corpus.clips for caption in clip.texts))
    folder = cache_folder() / "targets"
    with lock(folder / "lock"):
        pipeline = load_diffusion(settings.diffusion, device=device, dtype=torch.float32, text_only=True)
        name = Path(settings.diffusion).name
        targets = prepare_targets(captions, pipeline, folder, name=name, on_captions=listener.prepared)
        del pipeline
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return targets


def _finish(settings: AlignSettings, targets: Targets, corpus: Corpus, report: CorpusReport, monitor: Monitor) -> None:
    """Writes the model with its best weights.

    It is built once more, from what it started from, and the weights are put in: the trained one may be shared out.
    """
    output = Path(settings.output)
    best = read_best(output / BEST)
    if best is None:
        raise InputError(f"output {output} must have {BEST}, which is gone")
    model = build_model(load_start(settings.encoder), targets.space, settings)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(output / BEST).items():
            parameters[name].copy_(tensor)
    captions = sorted({caption for clip in corpus.clips for caption in clip.texts})
    model.encoder = without_lora(model.encoder)
    write_model(
        output,
        model,
        captions,
        settings=settings,
        report=report,
        measures=logs.read(monitor.path),
        best=best,
    )
    if settings.push_to_hub:
        push_to_hub(output, settings.push_to_hub, PUBLISHED)
