"""photism transcribe: speech to text, with the times of words, from files, a pipe or a microphone."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photism.cli import options as option
from photism.cli.live import transcribe_live
from photism.cli.progress import recordings_bar
from photism.cli.startup import DTYPES, startup
from photism.cli.transcript_output import FORMATS, Destination
from photism.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PIPE = "-"
MICROPHONE = "microphone"


def transcribe(
    sounds: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOUND...", help="Files or URLs; any format with sound. - for what comes in by a pipe."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of a CTC checkpoint: Wav2Vec2-BERT, wav2vec2, XLSR, HuBERT and kin."),
    ] = None,
    beams: Annotated[
        int | None, typer.Option(help="Texts that the search keeps. Default: 1, or 100 with hot words or --lm.")
    ] = None,
    hot_word: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="A word to expect; may be given several times.")
    ] = None,
    hot_word_weight: Annotated[float, typer.Option(help="How much to expect them, in natural logarithms.")] = 8.0,
    lm: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An n-gram model of the words: .arpa or .arpa.gz.")
    ] = None,
    lm_weight: Annotated[float, typer.Option(help="Of the n-gram model.")] = 0.5,
    word_score: Annotated[float, typer.Option(help="Is added for each word where there is an n-gram model.")] = 1.5,
    format: Annotated[
        str | None, typer.Option(metavar="|".join(FORMATS), help="Default: that of the file of -o, or txt.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE|FOLDER", help="Default: print it.")
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="A subtitle or row for each word; in JSON, characters too.")
    ] = False,
    vad: Annotated[
        bool, typer.Option("--vad", help="Hear only where somebody speaks, and cut long sound in silences.")
    ] = False,
    window: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Of longer sound that is heard at once. Default: what fits the memory."),
    ] = None,
    microphone: Annotated[bool, typer.Option("--microphone", help="Listen until Ctrl-C.")] = False,
    input_device: Annotated[
        str | None, typer.Option(metavar="NAME", help="The microphone, as FFmpeg calls it. Default: the system's.")
    ] = None,
    raw: Annotated[
        float | None, typer.Option(metavar="RATE", help="The pipe brings 16-bit mono samples of this rate.")
    ] = None,
    step: Annotated[float, typer.Option(metavar="SECONDS", help="Of a pipe or microphone, heard at a time.")] = 2.0,
    lookahead: Annotated[
        float, typer.Option(metavar="SECONDS", help="Heard after a sound before it is final, there.")
    ] = 1.0,
    batch_size: Annotated[int, typer.Option(help="Sounds that are heard at once.")] = 8,
    workers: Annotated[int, typer.Option(help="Sounds that are decoded ahead.")] = 2,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    int8: Annotated[bool, typer.Option("--int8", help="Linear layers in int8, on a processor: faster.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a sound.")] = False,
) -> None:
    """Say what is said, and when: speech to text by a CTC model, with the times of its words."""
    live = microphone or sounds == [PIPE]
    sounds = sounds or []
    _check(sounds, live=live, microphone=microphone, raw=raw, input_device=input_device, dtype=dtype)
    destination = Destination.of(
        [MICROPHONE] if microphone else sounds, output, format, words=words, as_json=as_json, force=force
    )
    with startup():
        from photism.listening.transcription.decoding_options import Decoding
        from photism.listening.transcription.streaming import Streaming
        from photism.listening.transcription.transcriber import Transcriber

        decoding = Decoding(
            beams=beams,
            hot_words=hot_word or (),
            hot_word_weight=hot_word_weight,
            language_model=lm,
            language_model_weight=lm_weight,
            word_score=word_score,
        )
        streaming = Streaming(step_s=step, lookahead_s=lookahead)
        transcriber = Transcriber.from_pretrained(model, device=device, dtype=dtype, int8=int8)
    if live:
        pieces = _pieces(microphone=microphone, input_device=input_device, raw=raw)
        transcribe_live(transcriber.stream(streaming, decoding), pieces, destination)
        return
    with recordings_bar("transcribing", len(sounds)) as bar:
        found = transcriber.numbered(
            sounds,
            decoding,
            vad=vad,
            window_s=window,
            batch_size=batch_size,
            num_workers=workers,
            on_error=bar.skip,
            on_heard=bar.advance,
        )
        for number, transcript in found:
            destination.give(number, transcript, echo=bar.echo)


def _check(
    sounds: Sequence[str],
    *,
    live: bool,
    microphone: bool,
    raw: float | None,
    input_device: str | None,
    dtype: str,
) -> None:
    if microphone and sounds:
        raise InputError("--microphone takes no SOUND; leave one of them out")
    if not sounds and not microphone:
        raise InputError("SOUND is missing: give files or URLs, - for a pipe, or --microphone")
    if PIPE in sounds and not live:
        raise InputError("- for a pipe must stand alone; give the files in another command")
    if raw is not None and (microphone or not live):
        raise InputError("--raw is for what comes in by a pipe; give - as SOUND, or leave it out")
    if input_device is not None and not microphone:
        raise InputError("--input-device goes with --microphone; add it, or leave this out")
    if dtype not in DTYPES:
        raise InputError(f"--dtype must be one of {', '.join(DTYPES)}; got {dtype}")


def _pieces(*, microphone: bool, input_device: str | None, raw: float | None) -> Generator[NDArray[np.float32]]:
    from photism.audio.live import microphone_samples, pipe_samples

    return microphone_samples(input_device) if microphone else pipe_samples(sys.stdin.buffer, raw_rate=raw)
