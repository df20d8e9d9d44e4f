"""An alignment from beginning to end: data, targets, training, measures, result."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from photism.alignment.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.alignment.data.report import CorpusReport, report_corpus
from photism.alignment.data.targets import Targets, prepare_targets
from photism.alignment.training.model import build_model, feature_settings, without_lora
from photism.alignment.training.monitor import Listener, Monitor
from photism.alignment.training.result import check_hub, push_to_hub, write_model, write_provenance
from photism.alignment.training.settings import SETTINGS, AlignSettings, differences, read_settings
from photism.alignment.training.trainer import BEST, Trainer
from photism.diffusion_model import load_diffusion
from photism.encoder import Wav2Vec2BertModel
from photism.errors import InputError
from photism.hub import fetch_files
from photism.model_folder import PARTS
from photism.training import logs
from photism.training.batches import distinct_negatives
from photism.training.checkpoints import last_checkpoint, read_best
from photism.training.corpus import Corpus, FeatureSettings
from photism.training.preparation import prepare_corpus
from photism.training.sources import Columns, Example, fingerprint, read_examples

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

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
    output = Path(settings.output)
    _check_output(settings, output, resume=resume)
    accelerator = _accelerator(settings)
    listener = listener if listener and accelerator.is_main_process else Listener()
    if settings.push_to_hub and accelerator.is_main_process:
        check_hub(settings.push_to_hub)
    columns = Columns(
        sound=settings.sound_column,
        text=tuple(map(str.strip, settings.text_column.split(","))) if settings.text_column else None,
        label_template=settings.label_template,
    )
    examples = read_examples(settings.data, columns=columns, dataset_config=settings.dataset_config)
    listener.stage("loading the encoder")
    start = load_start(settings.encoder)
    features = feature_settings(start)
    listener.stage("reading the sounds")
    corpus = _prepare_corpus(settings, examples, columns, features, listener)
    listener.stage("encoding the captions")
    targets = _prepare_targets(settings, corpus, accelerator.device, listener)
    model = build_model(start, targets.space, settings)
    del start
    gc.collect()

    output.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(model, corpus, targets, settings, accelerator)
    if accelerator.is_main_process:
        write_provenance(output, settings)
    report = report_corpus(
        corpus,
        targets,
        batch_size=settings.batch_size,
        negatives=distinct_negatives(trainer.batches, min(trainer.steps, NEGATIVES_OF_STEPS)),
        max_duration_s=settings.max_duration_s,
    )
    listener.report(report)
    monitor = Monitor(settings, trainer, listener)
    listener.stage("training")
    finished = trainer.run(evaluate=monitor, on_step=monitor.log)
    monitor.close()
    if finished and accelerator.is_main_process:
        listener.stage("writing the model")
        _finish(settings, targets, corpus, report, monitor)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return finished


def load_start(encoder: str) -> AudioPromptEncoder | Wav2Vec2BertModel:
    """What an alignment starts from.

    Args:
        encoder: folder or hub id of a Wav2Vec2-BERT, of any head, or of a Photism model.

    Raises:
        InputError: it is neither.
    """
    folder = Path(encoder) if Path(encoder).is_dir() else fetch_files("encoder", encoder, PARTS)
    if not (folder / "config.json").is_file():
        raise InputError(f"encoder must be a Wav2Vec2-BERT or a Photism model, but {folder} has no config.json")
    kind = json.loads((folder / "config.json").read_text(encoding="utf8")).get("model_type")
    try:
        if kind == AudioPromptEncoderConfig.model_type:
            return AudioPromptEncoder.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        if kind == "wav2vec2-bert":
            return Wav2Vec2BertModel.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, add_adapter=False
            )
    except Exception as error:  # from_pretrained has no error of its own
        raise InputError(f"encoder {encoder} cannot be loaded: {error}") from error
    raise InputError(f"encoder must be a Wav2Vec2-BERT or a Photism model; {encoder} is {kind!r}")


def cache_folder() -> Path:
    """Where corpora and targets are kept: $PHOTISM_CACHE, or ~/.cache/photism."""
    return Path(os.environ.get("PHOTISM_CACHE") or Path.home() / ".cache" / "photism")


def _check_output(settings: AlignSettings, output: Path, *, resume: bool) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"output must be a folder; {output} is a file")
    path = output / SETTINGS
    if last_checkpoint(output / "checkpoints") is None:
        if not resume and (output / "config.json").exists():
            raise InputError(f"output {output} holds a model; take another folder, or delete it")
        return
    if not resume:
        raise InputError(f"output {output} holds a training; resume it, or take another folder")
    changed = differences(read_settings(path, {}), settings)
    if changed:
        raise InputError(f"a resumed training must have the settings of {path}; these differ: {'; '.join(changed)}")


def _accelerator(settings: AlignSettings) -> Any:
    try:
        from accelerate import Accelerator
    except ImportError:
        raise InputError("align needs accelerate: pip install 'photism[train]'") from None
    return Accelerator(cpu=settings.cpu)


def _prepare_corpus(
    settings: AlignSettings,
    examples: Iterable[Example],
    columns: Columns,
    features: FeatureSettings,
    listener: Listener,
) -> Corpus:
    """By the process that comes first, while the others wait and then find it done."""
    about = {
        "data": fingerprint(settings.data, settings.dataset_config),
        "columns": dataclasses.asdict(columns),
        "features": dataclasses.asdict(features),
        "validation_share": settings.validation_share,
        "limit": settings.limit,
    }
    key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=12).hexdigest()
    folder = cache_folder() / "corpora"
    with _lock(folder / f"{key}.lock"):
        return prepare_corpus(
            examples,
            folder / key,
            settings=features,
            validation_share=settings.validation_share,
            max_unreadable=settings.max_unreadable,
            limit=settings.limit,
            on_clip=listener.prepared,
        )


def _prepare_targets(settings: AlignSettings, corpus: Corpus, device: torch.device, listener: Listener) -> Targets:
    """As above; afterwards the text encoder is gone from memory."""
    captions = list(dict.fromkeys(caption for clip in corpus.clips for caption in clip.captions))
    folder = cache_folder() / "targets"
    with _lock(folder / "lock"):
        pipeline = load_diffusion(settings.diffusion, device=device, dtype=torch.float32, text_only=True)
        name = Path(settings.diffusion).name
        targets = prepare_targets(captions, pipeline, folder, name=name, on_captions=listener.prepared)
        del pipeline
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return targets


@contextmanager
def _lock(path: Path) -> Generator[None]:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


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
    captions = sorted({caption for clip in corpus.clips for caption in clip.captions})
    write_model(
        output,
        without_lora(model),
        captions,
        settings=settings,
        report=report,
        measures=logs.read(monitor.path),
        best=best,
    )
    if settings.push_to_hub:
        push_to_hub(output, settings.push_to_hub)
