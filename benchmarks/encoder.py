"""Compare Wav2Vec2-BERT with transformers and CTranslate2, and log-mel features with transformers and Kaldi.

    python -m benchmarks.encoder [--full] [--device cpu] [--runs 5] [--only WORD ...] [--under-load] [--profile]

Random weights of the published widths, 2 layers or, with --full, 24. Each side of a case runs in a process of its own;
they run in turns, so that other load on the machine affects both equally. Prints the median of each side in seconds,
their ratio (above 1: ours is faster), and the peak memory of each above its weights. Kaldi and CTranslate2 are compared
if `kaldi_native_fbank` and `ctranslate2` are installed. With --under-load, another process keeps one core busy all the
time. --profile shows where the time of a layer goes (`benchmarks.encoder_profile`).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.encoder_profile import print_profile
from benchmarks.report import Report, add_output_option
from benchmarks.turns import Case, measure_runs, summary

RATE = 16_000
TOKENS_PER_S = 50
WIDTH = 160
CORPUS_S = (
    *(0.35, 0.50, 0.58, 0.63, 0.67, 0.71, 0.75, 0.79, 0.83, 0.86, 0.90, 0.93, 0.96, 1.00, 1.05, 1.08),
    *(1.13, 1.18, 1.23, 1.28, 1.34, 1.40, 1.47, 1.54, 1.62, 1.73, 1.88, 2.09, 2.38, 2.78, 3.37, 4.87),
)
"""Durations of the speech recordings in the Tux Paint corpus, in seconds: 32 quantiles."""

OURS, REFERENCE, BF16, INT8 = "Photism", "transformers", "Photism in bf16", "Photism in int8"
PRECISIONS = {BF16: "bf16", INT8: "int8"}
KALDI, CTRANSLATE2 = "kaldi-native-fbank", "CTranslate2"
FLOAT32 = "Photism in float32"
"""Log-mel in float32; the default is float64, as in transformers."""

ALPHABET = (*"abcdefghijklmnopqrstuvwxyz", "<pad>", "<s>", "</s>", "<unk>", "|")


def model_of(side: str, options: argparse.Namespace, name: str = "Model", **changes: Any) -> Any:
    """Return a model with seeded random weights."""
    import transformers

    import photism

    settings = {"num_hidden_layers": options.layers, "layerdrop": 0.0} | changes
    config = transformers.Wav2Vec2BertConfig(**settings)
    torch.manual_seed(0)
    library = transformers if side == REFERENCE else photism
    with torch.device(options.device):
        model = getattr(library, f"Wav2Vec2Bert{name}")(config)
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    model = model.to(options.device, dtype).eval()
    if side != REFERENCE and options.device == "cpu":
        from photism.encoder.kernel_choice import choose_kernels
        from photism.encoder.precision import with_precision

        choose_kernels(config)
        model = with_precision(model, PRECISIONS.get(side, "float32"))
    return model


def features_of(seconds: tuple[float, ...], options: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noise in place of log-mel features, (B, F, 160), and its attention mask."""
    lengths = torch.tensor([round(each * TOKENS_PER_S) for each in seconds])
    features = torch.randn(len(lengths), int(lengths.max()), WIDTH, generator=torch.Generator().manual_seed(1))
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    mask = (torch.arange(features.shape[1]) < lengths[:, None]).long()
    return features.to(options.device, dtype), mask.to(options.device)


def forward(*seconds: float) -> Callable[[str, argparse.Namespace], Callable[[], object]]:
    """Return the case that encodes clips of these durations, without gradients."""
    return partial(encode, seconds)


def encode(seconds: tuple[float, ...], side: str, options: argparse.Namespace) -> Callable[[], object]:
    model = model_of(side, options)
    features, mask = features_of(seconds, options)
    arguments = {} if len(set(seconds)) == 1 else {"attention_mask": mask}
    return torch.inference_mode()(lambda: model(features, **arguments).last_hidden_state)


def from_waveforms(side: str, options: argparse.Namespace) -> Callable[[], object]:
    """Return a function that encodes waveforms of 30 s; the feature extractor of transformers runs on the CPU."""
    model = model_of(side, options)
    sounds = noises(clips_of_30_s(options), 30.0)
    if side == REFERENCE:
        import transformers

        extractor = transformers.SeamlessM4TFeatureExtractor()

        def features() -> torch.Tensor:
            extracted = extractor(sounds, sampling_rate=RATE, return_tensors="pt").input_features
            return extracted.to(options.device, model.dtype)
    else:
        from photism.audio.log_mel import log_mel

        def features() -> torch.Tensor:
            return log_mel(sounds, device=options.device).input_features.to(model.dtype)

    return torch.inference_mode()(lambda: model(features()).last_hidden_state)


def clips_of_30_s(options: argparse.Namespace) -> int:
    return 32 if options.device == "cuda" else 4


def noises(count: int, seconds: float) -> list[np.ndarray]:
    """Return float32 waveforms of noise at 16 kHz."""
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(round(seconds * RATE))).astype(np.float32) for _ in range(count)]


def ctc_with_adapter(side: str, options: argparse.Namespace) -> Callable[[], object]:
    """Return a function for the CTC logits of 30 s, with an adapter, as CTranslate2 requires."""
    features, _ = features_of((30.0,), options)
    if side == CTRANSLATE2:
        converted = ctranslate2_model(options)
        return lambda: ctranslate2_logits(converted, features)
    model = model_of(side, options, "ForCTC", add_adapter=True, vocab_size=len(ALPHABET))
    return torch.inference_mode()(lambda: model(features).logits)


def ctranslate2_model(options: argparse.Namespace) -> Any:
    """Return the random weights of the transformers model, converted to CTranslate2."""
    import ctranslate2
    import transformers
    from ctranslate2.converters import TransformersConverter

    model = model_of(REFERENCE, options, "ForCTC", add_adapter=True, vocab_size=len(ALPHABET))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder)
        (folder / "vocab.json").write_text(json.dumps({symbol: index for index, symbol in enumerate(ALPHABET)}))
        transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
        TransformersConverter(name).convert(str(folder / "converted"))
        return ctranslate2.models.Wav2Vec2Bert(
            str(folder / "converted"), device=options.device, compute_type="float32", intra_threads=options.threads
        )


def ctranslate2_logits(model: Any, features: torch.Tensor) -> np.ndarray:
    import ctranslate2

    return np.array(model.encode(ctranslate2.StorageView.from_array(features.numpy()), to_cpu=True))


def ctranslate2_difference(options: argparse.Namespace) -> str:
    """Return the largest difference between the logits of CTranslate2 and transformers, as text."""
    features, _ = features_of((2.0,), options)
    model = model_of(REFERENCE, options, "ForCTC", add_adapter=True, vocab_size=len(ALPHABET))
    with torch.inference_mode():
        wanted = model(features).logits.numpy()
    found = ctranslate2_logits(ctranslate2_model(options), features)
    difference = np.abs(found - wanted).max()
    return f"{difference:.2g} from the logits of transformers, of which the largest is {wanted.max():.2g}"


def training_step(side: str, options: argparse.Namespace) -> Callable[[], object]:
    """Return a function for loss and gradients of 8 clips of 15 s, 6 layers, with SpecAugment."""
    model = model_of(side, options, "ForSequenceClassification", num_hidden_layers=6, num_labels=10).train()
    features, _ = features_of((15.0,) * 8, options)
    labels = torch.arange(8, device=options.device)

    def step() -> None:
        model(features, labels=labels).loss.backward()
        model.zero_grad()

    return step


def log_mels(side: str, options: argparse.Namespace) -> Callable[[], object]:
    """Return a function that computes the log-mel features of 32 clips of 10 s."""
    sounds = noises(32, 10.0)
    if side == REFERENCE:
        import transformers

        extractor = transformers.SeamlessM4TFeatureExtractor()
        return lambda: extractor(sounds, sampling_rate=RATE, return_tensors="pt")
    if side == KALDI:
        return lambda: [kaldi_features(sound) for sound in sounds]
    from photism.audio.log_mel import log_mel

    dtype = torch.float32 if side == FLOAT32 else torch.float64
    return lambda: log_mel(sounds, device=options.device, dtype=dtype)


def kaldi_features(sound: np.ndarray) -> np.ndarray:
    """Return the features of one clip by Kaldi's own code, normalised and stacked."""
    import kaldi_native_fbank

    settings = kaldi_native_fbank.FbankOptions()
    settings.frame_opts.dither = 0.0
    settings.mel_opts.num_bins = 80
    fbank = kaldi_native_fbank.OnlineFbank(settings)
    fbank.accept_waveform(RATE, (sound * 32768).tolist())
    fbank.input_finished()
    frames = np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)])
    frames = (frames - frames.mean(0)) / np.sqrt(frames.var(0, ddof=1) + 1e-7)
    return frames[: len(frames) // 2 * 2].reshape(-1, WIDTH)


def cases(options: argparse.Namespace) -> list[Case]:
    both, many = (OURS, REFERENCE), clips_of_30_s(options)
    found = [Case(f"one clip of {seconds} s", both, forward(float(seconds))) for seconds in (10, 30, 60)]
    found += [
        Case("one clip of 5 min", (OURS,), forward(300.0)),
        Case(f"{many} clips of 30 s", both, forward(*[30.0] * many)),
        Case(f"{many} clips of 30 s, from waveforms", both, from_waveforms),
        Case("32 clips with durations of the corpus", both, forward(*CORPUS_S)),
        Case("training step, 8 clips of 15 s, 6 layers", both, training_step),
        Case("log-mel, 32 clips of 10 s", both, log_mels),
        Case("log-mel in float32, 32 clips of 10 s", (FLOAT32, REFERENCE), log_mels),
    ]
    if importlib.util.find_spec("ctranslate2"):
        found.append(Case("30 s, an adapter and CTC", (OURS, CTRANSLATE2), ctc_with_adapter))
    if importlib.util.find_spec("kaldi_native_fbank"):
        found.append(Case("log-mel in float32, compared with Kaldi", (FLOAT32, KALDI), log_mels))
    found += [
        Case(f"{PRECISIONS[side]}, one clip of {seconds} s", (side, OURS), forward(float(seconds)))
        for side in (BF16, INT8)
        for seconds in (10, 30)
    ]
    return found


def gemm_flops(clips: int, options: argparse.Namespace) -> dict[str, float]:
    """Return the FLOP/s of each library for the largest matrix product of the linear layers at 30 s."""
    from photism.encoder.onednn import linear_no_grad

    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    left = torch.randn(clips * 30 * TOKENS_PER_S, 1024, device=options.device, dtype=dtype)
    right = torch.randn(4096, 1024, device=options.device, dtype=dtype)
    transposed = right.T.contiguous()
    multiplied = {"torch.mm": lambda: left @ transposed}
    if options.device == "cpu":
        multiplied["oneDNN"] = lambda: linear_no_grad(left, right)
    rates: dict[str, float] = {}
    for name, multiply in multiplied.items():
        times = []
        for _ in range(15):
            start = time.perf_counter()
            multiply()
            if options.device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        rates[name] = 2 * left.shape[0] * right.numel() / statistics.median(times[5:])
    return rates


def linear_flops(seconds: float, layers: int) -> float:
    """Return the floating-point operations of the linear layers: two per weight and token."""
    return 2 * seconds * TOKENS_PER_S * layers * 24_000_000


def keep_busy() -> None:
    """Compute without end."""
    while True:
        sum(range(1_000_000))


@contextmanager
def load_on_one_core(wanted: bool) -> Generator[None]:
    """Keep one core busy with another process, if that is wanted."""
    if not wanted:
        yield
        return
    process = multiprocessing.get_context("spawn").Process(target=keep_busy, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="24 layers")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="+", metavar="WORD", help="run the cases whose name contains one of these")
    parser.add_argument("--under-load", action="store_true", help="keep one core busy with another process")
    parser.add_argument("--profile", action="store_true", help="show where the time of a layer goes")
    add_output_option(parser)
    options = parser.parse_args()
    options.layers = 24 if options.full else 2
    torch.set_num_threads(options.threads)
    with load_on_one_core(options.under_load):
        if options.profile:
            print_profile(options)
        else:
            print_comparison(options)


def print_comparison(options: argparse.Namespace) -> None:
    """Measure the cases, and print a table."""
    title = f"{options.layers} layers, {options.device}, {options.threads} threads, median of {options.runs} runs"
    title += ", one core busy" * options.under_load
    table = Table("", "s", "peer", "s", "ratio", "MB", "peer, MB", title=title)
    name = f"Encoder, {options.layers} layers{', one core busy' * options.under_load}"
    report = Report(name, options, note="Random weights of the published width.")
    clips_of = {"one clip of 30 s": 1, f"{clips_of_30_s(options)} clips of 30 s": clips_of_30_s(options)}
    for case in cases(options):
        if options.only and not any(word in case.name for word in options.only):
            continue
        runs = measure_runs(case, options)
        report.compare(case.name, runs)
        (_, (seconds, size)), *peers = summary(runs).items()
        row = [case.name, f"{seconds:.3f}"]
        for peer, (peer_seconds, peer_size) in peers:
            row += [peer, f"{peer_seconds:.3f}", f"{peer_seconds / seconds:.2f}", f"{size:.0f}", f"{peer_size:.0f}"]
        table.add_row(*row if peers else (*row, "", "", "", f"{size:.0f}", ""))
        if CTRANSLATE2 in case.sides:
            table.add_row(f"  {CTRANSLATE2} is {ctranslate2_difference(options)}")
        if clips := clips_of.get(case.name):
            for library, rate in gemm_flops(clips, options).items():
                fraction = linear_flops(30 * clips, options.layers) / seconds / rate
                table.add_row(f"  of the rate of {library}, {rate / 1e9:.0f} GFLOP/s", f"{fraction:.0%}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
