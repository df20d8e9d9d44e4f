"""Fixtures of all tests: tiny checkpoints with random weights, and recordings."""

import gc
import logging
import os
import shutil
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from photism.device import limit_kernel_caches

if TYPE_CHECKING:
    import torch

# One thread of torch for each test process, before torch is imported: `make test` runs two at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
limit_kernel_caches()  # as the commands do
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if not IS_WORKER:  # a worker process shares the cache of the process that started it
    os.environ["PHOTISM_CACHE"] = tempfile.mkdtemp(prefix="photism-cache-")
gc.disable()  # until all tests are collected: next to nothing of what is created until then is garbage

LONGEST_FILES = ("test_align.py", "test_resumable_file.py", "test_readme.py", "test_dataset.py", "test_ways_to_run.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that no worker has one left when the other is done."""
    items.sort(key=lambda item: item.path.name not in LONGEST_FILES)


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and without a million objects of libraries and tests: a pass over them takes .5 s."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


def pytest_unconfigure() -> None:
    """Delete the cache of this run."""
    if not IS_WORKER:
        shutil.rmtree(os.environ["PHOTISM_CACHE"], ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests of a GPU on a machine without one."""
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "torch.device":
    """Return the device of a test that runs on the CPU and, marked `cuda`, on a GPU in full float32 precision."""
    import torch

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # it is allowed by default, unlike that of matmul
    return torch.device(request.param)


@pytest.fixture(autouse=True)
def default_verbosity() -> Iterator[None]:
    """Restore the verbosity of the libraries, which the command line lowers, for the next test.

    It is set where it has changed only: for a logger's level, `logging` clears the caches of all loggers.
    """
    yield
    for library in ("transformers", "diffusers"):
        if module := sys.modules.get(f"{library}.utils.logging"):
            if module.get_verbosity() != module.WARNING:
                module.set_verbosity_warning()
            module.enable_progress_bar()
    hub = logging.getLogger("huggingface_hub")
    if hub.level != logging.WARNING:
        hub.setLevel(logging.WARNING)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> object:
    """Return the output of a running cell of a notebook, a `NotebookCell`."""
    from tests.support.notebook_cell import NotebookCell

    shell, cell = SimpleNamespace(config={"IPKernelApp": {}}), NotebookCell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, version_info=(9, 0)))
    monkeypatch.setitem(sys.modules, "IPython.display", cell)
    return cell


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the Photism models sd and xl."""
    from tests.support.tiny_checkpoint import make_models

    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


@pytest.fixture(scope="session")
def parts(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with diffusion models, ControlNets and LoRA weights for `models`, listed at `make_parts`."""
    from tests.support.tiny_checkpoint import make_parts

    folder = tmp_path_factory.mktemp("parts")
    make_parts(models, folder)
    return folder


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of captioned recordings, described at `make_captioned`."""
    from tests.support.captioned_sounds import make_captioned

    folder = tmp_path_factory.mktemp("captioned")
    make_captioned(folder)
    return folder


@pytest.fixture(scope="session")
def ctc_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the CTC checkpoints that `tests.support.tiny_ctc` lists."""
    from tests.support.tiny_ctc import make_checkpoints

    folder = tmp_path_factory.mktemp("ctc")
    make_checkpoints(folder)
    return folder


@pytest.fixture(scope="session")
def bare_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Wav2Vec2-BERT of two layers without dropout, in the layout of facebook/w2v-bert-2.0."""
    import torch
    from transformers import Wav2Vec2BertConfig

    from photism.encoder.model import Wav2Vec2BertModel

    config = Wav2Vec2BertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        output_hidden_size=16,
        apply_spec_augment=False,
        hidden_dropout=0.0,
        activation_dropout=0.0,
        attention_dropout=0.0,
        feat_proj_dropout=0.0,
        conformer_conv_dropout=0.0,
        layerdrop=0.0,
    )
    folder = tmp_path_factory.mktemp("bare")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Wav2Vec2BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sound_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the AudioLDM 2 checkpoints that `tests.support.tiny_audioldm2` lists."""
    from tests.support.tiny_audioldm2 import make_models

    folder = tmp_path_factory.mktemp("sound-models")
    make_models(folder)
    return folder


@pytest.fixture
def little_space() -> Iterator[None]:
    """Let no file of this process grow beyond 8 kB, as if the disk were full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def sounds(tmp_path: Path) -> list[Path]:
    """Return three wav files of noise, of 0.5, 1 and 1.5 s."""
    import numpy as np

    noise = np.random.default_rng(0)
    paths = [tmp_path / f"{name}.wav" for name in ("elephant", "koala", "rain")]
    for seconds, path in enumerate(paths, start=1):
        samples = (noise.standard_normal(8000 * seconds) * 3000 * np.hanning(8000 * seconds)).astype("<i2")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(samples.tobytes())
    return paths
