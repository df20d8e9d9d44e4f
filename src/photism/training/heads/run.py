"""A fine-tuning from beginning to end: data, preflight, training, measures, post-mortem, result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from photism.errors import InputError
from photism.training import json_log as logs
from photism.training.checkpoint import Best, read_best
from photism.training.data.feature_cache import cached_corpus
from photism.training.data.feature_dataset import Corpus, evenly
from photism.training.data.readers import fingerprint, read_examples
from photism.training.data.report import report_sounds
from photism.training.distributed import new_accelerator
from photism.training.heads.classify import ClassifyTask, classes_of_row
from photism.training.heads.ctc import CtcTask, transcript_of_row
from photism.training.heads.frames import FramesTask
from photism.training.heads.learner import HeadLearner
from photism.training.heads.model import build_model, feature_extractor
from photism.training.heads.report import Preflight, measure_cost
from photism.training.heads.result import PUBLISHED, postmortem, write_result
from photism.training.heads.settings import (
    RUNNING,
    SETTINGS,
    ClassifySettings,
    CtcSettings,
    FinetuneSettings,
    FramesSettings,
    SpeakerSettings,
)
from photism.training.heads.speaker import SpeakerTask, speaker_of_row, speakers_of_row
from photism.training.heads.task import Evaluation, Task
from photism.training.heads.turns import turns_of_row, version_of_rttm
from photism.training.monitor import Listener, Monitor
from photism.training.output import check_output
from photism.training.pretrained import feature_settings, load_start
from photism.training.provenance import check_hub, push_to_hub, write_provenance
from photism.training.sharding import whole_like
from photism.training.trainable import without_lora
from photism.training.trainer import BEST, Loop


@dataclass(frozen=True)
class Kind:
    """Of a task.

    Attributes:
        verb: as on the command line.
        texts: of a row, what is to be learned of it.
        task: of settings and a corpus.
        text: what a sound must have; None: nothing.
        about: of settings, what decides what is read of a row.
    """

    verb: str
    texts: Callable[[Mapping[str, Any], Any], tuple[str, ...]]
    task: Callable[[Any, Corpus], Task]
    text: Callable[[Any], str | None]
    about: Callable[[Any], Mapping[str, Any]]


KINDS: dict[type[FinetuneSettings], Kind] = {
    ClassifySettings: Kind(
        "classify",
        classes_of_row,
        ClassifyTask,
        lambda settings: None if settings.multi_label else "class",
        lambda settings: {"label_column": settings.label_column, "multi_label": settings.multi_label},
    ),
    CtcSettings: Kind(
        "ctc",
        transcript_of_row,
        CtcTask,
        lambda settings: "transcript",
        lambda settings: {"text_column": settings.text_column},
    ),
    SpeakerSettings: Kind("speaker", speakers_of_row, SpeakerTask, lambda settings: "speaker", lambda settings: {}),
    FramesSettings: Kind(
        "frames",
        turns_of_row,
        FramesTask,
        lambda settings: "turns in RTTM",
        lambda settings: {"rttm": version_of_rttm(settings)},
    ),
}


def finetune(settings: FinetuneSettings, *, resume: bool = False, listener: Listener | None = None) -> bool:
    """Trains a head, and the encoder beneath it, and writes the model to `settings.output`.

    Under `accelerate launch` or `torchrun` every process calls this.

    Args:
        settings: of one of the tasks.
        resume: go on from the last checkpoint in the output, where there is one.
        listener: is told how it goes.

    Returns:
        whether it is finished; a request to stop leaves a checkpoint to go on from.

    Raises:
        InputError: settings, data or models that cannot be used.
    """
    kind = KINDS[type(settings)]
    check_output(settings, file=SETTINGS, running=RUNNING, resume=resume)
    output = Path(settings.output)
    accelerator = new_accelerator(cpu=settings.cpu)
    listener = listener if listener and accelerator.is_main_process else Listener()
    if settings.push_to_hub and accelerator.is_main_process:
        check_hub(settings.push_to_hub)
    task, model = _prepare(settings, kind, listener)
    learner = HeadLearner(model, task.corpus, task, settings, accelerator)
    clips = evenly(task.validation, settings.validation_clips)
    if settings.patience and not clips:
        raise InputError(f"patience must be 0 where there is nothing to measure on; got {settings.patience}")
    output.mkdir(parents=True, exist_ok=True)
    loop = Loop(
        learner,
        output,
        score=task.score,
        evaluate_every=settings.evaluate_every,
        checkpoint_every_s=settings.checkpoint_every_s,
        keep_checkpoints=settings.keep_checkpoints,
        patience=settings.patience,
    )
    is_main = learner.processes.is_main
    if is_main:
        write_provenance(output, settings, file=SETTINGS)
    preflight = _preflight(settings, task)
    listener.report(preflight.lines())
    if loop.step < learner.steps:
        listener.stage("measuring a step")
        listener.report([measure_cost(learner, step=loop.step).line()])
    monitor = Monitor(output, step=loop.step, is_main=is_main, listener=listener)
    listener.stage("training")
    finished = loop.run(evaluate=Measurement(learner, clips, monitor), on_step=monitor.log)
    monitor.close()
    if finished:
        listener.stage("writing the model")
        best, evaluation = _measure_best(learner, clips)
        listener.report(postmortem(best, evaluation))
        if is_main:
            _finish(kind, learner, preflight, monitor, best, evaluation)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return finished


class Measurement:
    """Measures a model on the same sounds each time, and tells a monitor."""

    def __init__(self, learner: HeadLearner, clips: Sequence[int], monitor: Monitor) -> None:
        self.learner, self.clips, self.monitor = learner, clips, monitor

    def __call__(self, step: int) -> Mapping[str, float]:
        """What the weights are worth after a step; nothing, where no sounds are kept to measure on."""
        if not self.clips:
            return {}
        found = self.learner.task.evaluate(self.clips, self.learner.hear(self.clips))
        self.monitor.measured(step, found.measures, found.figures)
        self.learner.processes.wait()
        return found.measures


def _prepare(settings: FinetuneSettings, kind: Kind, listener: Listener) -> tuple[Task, Any]:
    """What is to be learned, and the model that is to learn it."""
    about = _about(settings, kind)
    examples = read_examples(  # before the encoder, which may have to be fetched
        settings.data,
        lambda row: kind.texts(row, settings),
        group=lambda row: speaker_of_row(row, settings),
        sound_column=settings.sound_column,
        dataset_config=settings.dataset_config,
    )
    listener.stage("loading the encoder")
    start = load_start(settings.encoder)
    features = feature_settings(start)
    listener.stage("reading the sounds")
    corpus = cached_corpus(
        examples,
        about,
        settings=features,
        text=kind.text(settings),
        validation_share=settings.validation_share,
        max_unreadable=settings.max_unreadable,
        limit=settings.limit,
        on_clip=listener.prepared,
    )
    task = kind.task(settings, corpus)
    return task, build_model(start, task, settings)


def _about(settings: FinetuneSettings, kind: Kind) -> dict[str, Any]:
    """What decides which sounds there are, and what is learned of them."""
    return {
        "data": fingerprint(settings.data, settings.dataset_config),
        "columns": [settings.sound_column, settings.speaker_column],
        "task": kind.verb,
        **kind.about(settings),
    }


def _preflight(settings: FinetuneSettings, task: Task) -> Preflight:
    longest_s = settings.max_duration_s if task.hears_parts else math.inf
    sounds = report_sounds(task.corpus, texts=task.texts, max_duration_s=longest_s)
    return Preflight(sounds, task.report())


def _measure_best(learner: HeadLearner, clips: Sequence[int]) -> tuple[Best, Evaluation]:
    """Puts the best weights in place of the last, on every process, and measures them once more."""
    path = Path(learner.settings.output) / BEST
    best = read_best(path)
    if best is None:
        raise InputError(f"output {path.parent} must have {BEST}, which is gone")
    weights = load_file(path)
    with torch.no_grad():
        for name, parameter in learner.optimization.parameters.items():
            parameter.copy_(whole_like(weights[name], parameter))
    return best, learner.task.evaluate(clips, learner.hear(clips)) if clips else Evaluation({})


def _finish(
    kind: Kind, learner: HeadLearner, preflight: Preflight, monitor: Monitor, best: Best, evaluation: Evaluation
) -> None:
    """Writes the model with its best weights.

    It is built once more, from what it started from, and the weights are put in: the trained one may be shared out.
    """
    settings, task = learner.settings, learner.task
    output = Path(settings.output)
    start = load_start(settings.encoder)
    model = build_model(start, task, settings)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(output / BEST).items():
            parameters[name].copy_(tensor)
    model.wav2vec2_bert = without_lora(model.wav2vec2_bert)
    model.to(getattr(torch, settings.dtype))
    write_result(
        output,
        model,
        feature_extractor(start, task.corpus.settings),
        task,
        verb=kind.verb,
        settings=settings,
        preflight=preflight,
        measures=logs.read(monitor.path),
        best=best,
        evaluation=evaluation,
    )
    if settings.push_to_hub:
        push_to_hub(output, settings.push_to_hub, PUBLISHED)
