"""Alignments of a few steps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from photism.cli.app import main


@pytest.fixture(scope="session")
def flags(captioned, bare_encoder, models) -> dict[str, str]:
    """Flags of `photism align`."""
    return {
        "data": str(captioned),
        "encoder": str(bare_encoder),
        "diffusion": str(models / "sd" / "diffusion"),
        "adapter": "resampler",
        "tokens": "4",
        "batch-size": "6",
        "epochs": "3",
        "learning-rate": "1e-3",
        "precision": "fp32",
        "evaluate-every": "3",
        "pictures": "0",
    }


@pytest.fixture(scope="session")
def align(flags, cache):
    """A function that runs `photism align` in its own process, or several, with some flags changed."""

    def run(output: Path, *more: str, processes: int = 1, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(flags, output, *more, processes=processes, **changed),
            env=environment(cache),
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def align_here(flags, cache, monkeypatch):
    """A function that runs `photism align` in this process, and returns the exit status."""

    def run(output: Path, *more: str, **changed: str) -> object:
        monkeypatch.setenv("PHOTISM_CACHE", str(cache))
        # HF_HUB_OFFLINE itself is read on import only.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        monkeypatch.setattr(sys, "argv", command(flags, output, *more, **changed)[2:])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    return run


@pytest.fixture(scope="session")
def start_align(flags, cache):
    """A function that starts `photism align` in its own process."""

    def start(output: Path, *more: str, **changed: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command(flags, output, *more, **changed), env=environment(cache), stderr=subprocess.DEVNULL
        )

    return start


def command(flags, output, *more, processes=1, **changed) -> list[str]:
    given = {**flags, **{name.replace("_", "-"): value for name, value in changed.items()}}
    launcher = (
        [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    )
    options = [part for name, value in given.items() if name != "data" for part in (f"--{name}", value)]
    return [sys.executable, *launcher, "-m", "photism", "align", given["data"], "-o", str(output), *options, *more]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "PHOTISM_CACHE": str(cache), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
