"""What `benchmarks.gpu` measures: each function records one row's figures in a report.

The sides of a case run in turns in one process, which nothing else uses. Weights are random.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch.autograd import DeviceType

from benchmarks import align, drawing_models, encoder, label, sound
from benchmarks.report import Report
from benchmarks.turns import Case, Run, run_once

Work = Callable[[], object]


def compare(report: Report, case: str, sides: Mapping[str, Callable[[], Work]], options: argparse.Namespace) -> None:
    """Build the sides, run them in turns and record them; a side that fails is named in the report's note."""
    works: dict[str, Work] = {}
    for side, build in sides.items():
        try:
            works[side] = build()
            run_once(works[side], options.device)  # the warm-up run, which compiles kernels
        except Exception as error:  # another library's, or of a compiler: the other sides go on
            works.pop(side, None)
            reason = str(error).partition("\n")[0].rstrip(".")
            report.document["note"] += f" {case}, {side}: {type(error).__name__}: {reason}."
    runs: dict[str, list[Run]] = {side: [] for side in works}
    for _ in range(options.runs):
        for side, work in works.items():
            runs[side].append(run_once(work, options.device))
    if runs:
        report.compare(case, runs)


def case_of(case: Case, sides: tuple[str, ...], options: argparse.Namespace) -> dict[str, Callable[[], Work]]:
    """Return how to build some sides of a case of another benchmark."""
    return {side: partial(case.build, side, options) for side in sides}


def from_waveforms(report: Report, options: argparse.Namespace) -> None:
    sides = {side: partial(encoder.from_waveforms, side, options) for side in (encoder.OURS, encoder.REFERENCE)}
    compare(report, f"from waveforms, {encoder.clips_of_30_s(options)} clips of 30 s", sides, options)


def corpus(report: Report, options: argparse.Namespace) -> None:
    sides = {
        side: partial(encoder.encode, encoder.CORPUS_S, side, options) for side in (encoder.OURS, encoder.REFERENCE)
    }
    compare(report, "corpus, 32 clips with its durations", sides, options)


def log_mel(report: Report, options: argparse.Namespace) -> None:
    sides = (encoder.OURS, encoder.FLOAT32, encoder.REFERENCE)
    compare(
        report, "log-mel, 32 clips of 10 s", {side: partial(encoder.log_mels, side, options) for side in sides}, options
    )


def training(report: Report, options: argparse.Namespace) -> None:
    sides = {side: partial(encoder.training_step, side, options) for side in (encoder.OURS, encoder.REFERENCE)}
    compare(report, "training step, 8 clips of 15 s, 6 layers", sides, options)


def draw(name: str, report: Report, options: argparse.Namespace) -> None:
    """Measure the latency of a picture and the frame rate of a film."""
    from photism.drawing.video.audio_features import measure_recording
    from photism.drawing.video.film import Film
    from photism.drawing.video.settings import FilmSettings
    from tests.support.captioned_sounds import write_sound

    architecture = drawing_models.ARCHITECTURES[name]
    architecture = drawing_models.reduced(architecture) if options.small else architecture
    dtype = torch.float16 if options.device == "cuda" else torch.float32
    pipeline = drawing_models.make_pipeline(architecture, device=options.device, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "recording.wav"
        write_sound(recording, 0, seconds=4.0)
        for steps, scale in ((25, 7.5), (4, 1.0)):
            picture = partial(pipeline, recording, num_inference_steps=steps, guidance_scale=scale, seed=0)
            case = f"draw, {name}, a picture of {steps} steps{' without guidance' if scale == 1 else ''}"
            compare(report, case, {"Photism": lambda work=picture: work}, options)
        settings = FilmSettings(fps=8, sync="fixed", num_inference_steps=4, guidance_scale=1.0, batch_size=8)
        film = Film(pipeline, measure_recording(recording), settings)
        frames = range(2 if options.small else 16)
        runs = [run_once(lambda: list(film.frames(frames)), options.device) for _ in range(options.runs + 1)][1:]
        rates = [len(frames) / run.seconds for run in runs]
        report.add(f"draw, {name}, a film of 4 steps without guidance", "Photism", **{"frames/s": rates})


def make_sound(report: Report, options: argparse.Namespace) -> None:
    """Compare AudioLDM 2 with diffusers."""
    options.steps, options.compile, options.dtype = (2 if options.small else 25), True, "bfloat16"
    if options.device == "cpu":
        options.compile, options.dtype = False, "float32"
    (case,) = (each for each in sound.cases(options) if "to a waveform" in each.name)
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        sound.make_checkpoint(options.folder, sound.REDUCED if options.small else sound.FULL)
        compare(report, f"sound, {case.name}", case_of(case, (sound.OURS, "diffusers"), options), options)
        if options.compile:  # on its own, since compiling may take longer than the row may
            compare(report, f"sound, {case.name}, compiled", case_of(case, (sound.COMPILED,), options), options)


def align_step(report: Report, options: argparse.Namespace) -> None:
    """Compare the loss and the training step of `photism align` with the published recipe."""
    options.precision = "bf16"
    for case in align.CASES:
        if case.name.startswith(("loss and gradient", "a step on")):
            compare(report, f"align, {case.name}", case_of(case, case.sides, options), options)


def label_recordings(report: Report, options: argparse.Namespace) -> None:
    """Compare the classification of recordings with the pipeline of transformers."""
    from tests.support.captioned_sounds import write_sound

    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / "recordings" / f"{number}.wav" for number in range(8 if options.small else 500)]
        for number, path in enumerate(paths):
            write_sound(path, number, seconds=encoder.CORPUS_S[number % len(encoder.CORPUS_S)])
        model, checkpoint = next(iter(label.make_checkpoints(Path(name), options.layers).items()))
        sides = {side: partial(label.labelling, checkpoint, paths, side, options) for side in (label.OURS, label.EIGHT)}
        compare(report, f"label, {len(paths)} recordings, {model}", sides, options)


def train_ctc(report: Report, options: argparse.Namespace) -> None:
    """Measure the seconds of CTC training for an hour of audio."""
    from photism.training.settings import CtcSettings
    from photism.training.tasks.ctc import CtcTask

    lengths_s = [15.0] * (4 if options.small else 40)
    texts = [f"clip number {number} says nothing" for number in range(len(lengths_s))]
    folder = Path(tempfile.mkdtemp())
    dataset = align.noise_dataset(folder, lengths_s, texts)
    settings = CtcSettings(
        data="noise", output=str(folder), batch_size=len(lengths_s), precision="bf16", epochs=1000.0, chunk_s=300.0
    )
    trainer = align.trainer_of(lambda _: CtcTask(settings, dataset), settings, folder, options)
    runs = [run_once(trainer.train_step, options.device) for _ in range(options.runs + 1)][1:]
    hours = sum(lengths_s) / 3600
    per_hour = [run.seconds / hours for run in runs]
    report.add(
        "ctc, a training step", "Photism", **{"s per hour of audio": per_hour, "MB": max(run.megabytes for run in runs)}
    )


def profile(report: Report, options: argparse.Namespace) -> None:
    """Record the kernels that take most of the time of the encoder, from waveforms."""
    work = encoder.from_waveforms(encoder.OURS, options)
    run_once(work, options.device)
    with torch.profiler.profile() as profiler:
        run_once(work, options.device)
    kinds = {"cuda": (DeviceType.CUDA, "self_device_time_total"), "cpu": (DeviceType.CPU, "self_cpu_time_total")}
    kind, attribute = kinds[options.device]  # an operation of the CPU also counts the kernels that it starts
    events = [event for event in profiler.key_averages() if event.device_type == kind]
    times_ms = {event.key[:60]: getattr(event, attribute) / 1e3 for event in events}
    whole = sum(times_ms.values())
    for name, time_ms in sorted(times_ms.items(), key=lambda each: -each[1])[:12]:
        report.add("profile, from waveforms", name, ms=time_ms, **{"%": 100 * time_ms / whole})
