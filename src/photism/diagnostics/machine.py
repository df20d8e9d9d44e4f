"""Describe the machine: its device, memory and disks, and whether the hub can be reached."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from threading import Thread

from photism import __version__
from photism.diagnostics.check import Check, one_line

GIB = 2**30
HUB_TIMEOUT_S = 2.0


def describe_machine() -> list[Check]:
    """Return rows about the machine, all of which work."""
    rows = {
        "photism": __version__,
        "python": platform.python_version(),
        "device": _device(),
        "memory": _memory(),
        "disk": f"{_disk(Path.cwd())} in the current folder",
        "downloaded models": _model_cache(),
    }
    return [Check(name, True, found) for name, found in rows.items()]


class HubCheck:
    """Whether the Hugging Face hub answers, which a thread finds out meanwhile."""

    def __init__(self) -> None:
        self._found = f"no answer within {HUB_TIMEOUT_S:g} s: only models on this machine can be used"
        self._thread = Thread(target=self._ask, daemon=True)
        self._thread.start()

    def result(self) -> Check:
        """Return whether the hub can be reached, which is no error if it cannot."""
        self._thread.join(HUB_TIMEOUT_S)
        return Check("hub", True, self._found)

    def _ask(self) -> None:
        from urllib.error import HTTPError, URLError
        from urllib.request import Request, urlopen

        from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

        if HF_HUB_OFFLINE:
            self._found = "not asked: HF_HUB_OFFLINE is set"
            return
        try:
            with urlopen(Request(ENDPOINT, method="HEAD"), timeout=HUB_TIMEOUT_S):
                self._found = f"{ENDPOINT} answers"
        except HTTPError:  # an answer, as of a proxy or a mirror without a page
            self._found = f"{ENDPOINT} answers"
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            self._found = f"not reachable ({one_line(str(reason))}): only models on this machine can be used"


def _device() -> str:
    try:
        import torch
    except Exception:  # a broken library can raise anything; its own row says what
        return f"cpu ({os.cpu_count()} cores)"
    cores = f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads of torch)"
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return f"cuda ({torch.cuda.get_device_name()}, {_of(free, total)}), {cores}"
    return f"mps, {cores}" if torch.backends.mps.is_available() else cores


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return _of(memory.available, memory.total)


def _disk(folder: Path) -> str:
    usage = shutil.disk_usage(folder)
    return _of(usage.free, usage.total)


def _model_cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return f"{_disk(existing)} in {folder}"


def _of(free: int, total: int) -> str:
    return f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
