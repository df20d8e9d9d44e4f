"""The process that decodes uploaded recordings: one JSON object a line in, samples out.

in   {"path": …, "name": "file", "track": null, "channel": null, "strict": false, "limit_s": 60, "is_held": true}
out  {"samples": 16000, "warnings": []} and, if they are held, as many 32-bit floats
     {"is_too_long": true}
     {"problem": "file: no audio stream; …", "code": "no-audio", "values": {}}
     {"failure": "Traceback …"}
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.errors import InputError, is_out_of_memory

MAX_MEMORY_BYTES = 1 << 29
"""Address space that decoding may take, beyond that of the libraries."""


def main() -> None:
    """Decode the recordings that standard input names, until it ends."""
    _limit_resources()
    for line in sys.stdin.buffer:
        answer(json.loads(line), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def answer(request: dict[str, Any], target: BinaryIO) -> None:
    """Write the samples of a recording, or what is wrong with it."""
    samples: NDArray[np.float32] | None = None
    try:
        found, samples = _decode(request)
    except InputError as error:
        found = {"problem": str(error), "code": error.code, "values": error.values}
    except Exception as error:
        is_bomb = is_out_of_memory(error)
        found = {"problem": f"{request['name']}: decoding takes too much memory"} if is_bomb else {}
        found = found or {"failure": "".join(traceback.format_exception(error))}
    target.write(json.dumps(found).encode() + b"\n")
    if samples is not None:
        target.write(samples.data)


def _decode(request: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Decode a recording, only until it is found to be too long."""
    reading = ReadingSettings(track=request["track"], channel=request["channel"], strict=request["strict"])
    held: list[NDArray[np.float32]] = []
    warnings: list[str] = []
    count = 0
    for block in stream_samples(
        SoundFile(Path(request["path"]), request["name"], reading), block_samples=SAMPLING_RATE, warnings=warnings
    ):
        count += len(block)
        if count > request["limit_s"] * SAMPLING_RATE:
            return {"is_too_long": True}, None
        if request["is_held"]:
            held.append(block)
    samples = np.concatenate(held) if held else None
    return {"samples": count, "warnings": warnings}, samples


def _limit_resources() -> None:
    """Let this process take a limited amount of memory, and write no file."""
    if sys.platform == "win32":
        return
    import resource

    import av
    import psutil
    import soxr

    _ = av, soxr  # which are loaded before the limit counts
    limit = psutil.Process().memory_info().vms + MAX_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
