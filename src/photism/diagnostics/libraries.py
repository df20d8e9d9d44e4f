"""Check the libraries of the package and of its extras, by importing them in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from photism.diagnostics.check import Check, one_line
from photism.extras import extras, install_command, is_installed, module_of

IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    sys.__stdout__.write(json.dumps([name, None]) + "\\n")
    sys.__stdout__.flush()
    try:
        importlib.import_module(name)
        error = ""
    except BaseException as caught:
        error = " ".join(str(caught).split()) or type(caught).__name__
    sys.__stdout__.write(json.dumps([name, error]) + "\\n")
"""
"""Program that writes the name of each module before it imports it, and its error after that."""

HERE = ("accelerate", "av", "diffusers", "soxr", "torch", "transformers", "webdataset")
"""Modules that this process imports: the bundled models need them, or they need torch."""
FOUND_ONLY = ("compel", "onnxscript", "peft", "silero_vad", "sklearn", "tensorboard")
"""Modules of which only the version is looked up: their import takes long, and one flag or command needs it. That of
silero_vad is never needed: the library is there for its weights."""
TIMEOUT_S = 60


class LibraryChecks:
    """Checks of all libraries, of which another process imports most while this one does something else."""

    def __init__(self) -> None:
        self._extra_of: dict[str, str] = {}
        self._name_of: dict[str, str] = {}
        # Of several extras that have a library, the smallest is named.
        for extra, names in sorted(extras().items(), key=lambda item: (item[0] != "", len(item[1]))):
            for name in names:
                self._extra_of.setdefault(module_of(name), extra)
                self._name_of.setdefault(module_of(name), name)
        self._modules = [module for module in self._extra_of if is_installed(module)]
        self._elsewhere = [module for module in self._modules if module not in (*HERE, *FOUND_ONLY)]
        self._process = _start(self._elsewhere)

    def results(self) -> list[Check]:
        """Import the libraries of this process, wait for the other one, and return a check of each library."""
        errors: dict[str, str] = {}
        for module in (each for each in self._modules if each in HERE):
            try:
                __import__(module)
            except Exception as error:  # a broken library can raise anything
                errors[module] = one_line(error)
        errors |= self._errors_elsewhere()
        return [self._check(module, errors.get(module, "")) for module in self._extra_of]

    def _check(self, module: str, error: str) -> Check:
        name, remedy = self._name_of[module], install_command(self._extra_of[module] or None)
        if module not in self._modules:
            return Check(name, False, "not installed", remedy)
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "installed, version unknown"
        return Check(name, not error, error or found, remedy if error else None)

    def _errors_elsewhere(self) -> dict[str, str]:
        errors: dict[str, str] = {}
        waiting, process = self._elsewhere, self._process
        while waiting:
            try:
                printed, _ = process.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                printed, _ = process.communicate()
            lines: list[tuple[str, str | None]] = [
                json.loads(each) for each in printed.splitlines() if each[:2] == '["'
            ]
            errors |= {name: error for name, error in lines if error}
            if not lines or lines[-1][1] is not None:
                break
            errors[lines[-1][0]] = f"its import ended the process, with status {process.returncode}"
            waiting = waiting[waiting.index(lines[-1][0]) + 1 :]
            process = _start(waiting)
        return errors


def _start(modules: list[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"PYGAME_HIDE_SUPPORT_PROMPT": "1"}  # which it would print when it is imported
    command = [sys.executable, "-c", IMPORT, *modules]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
