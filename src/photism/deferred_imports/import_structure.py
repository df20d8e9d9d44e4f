"""Where transformers has the classes of its models, which it reads from the source of all of them when it is imported.

The result is kept in the user's cache, since reading 1,600 files takes half of the time of the import.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

from photism.user_cache import cache_folder, keep

Structure: TypeAlias = "dict[frozenset[str], dict[str, set[str]]]"
"""Names in each module, by the libraries that the module needs."""
MODULE, FUNCTION = "transformers.utils.import_utils", "define_import_structure"


def kept_structure(define: Callable[..., Structure]) -> Callable[..., Structure]:
    """Return `define_import_structure` of transformers, which keeps its result for all models between processes.

    It is found again as long as version, place and folders of the models are the same.

    Args:
        define: the function of transformers.
    """

    @wraps(define)
    def define_structure(module_path: Any, prefix: str | None = None) -> Structure:
        """Return the names in each module below a folder."""
        version = str(getattr(sys.modules.get("transformers"), "__version__", "dev"))
        if prefix is None or "dev" in version:  # one model; or sources that somebody is editing
            return define(module_path, prefix=prefix)
        path = _file_of(Path(module_path), version, prefix)
        structure = _read(path)
        if structure is None:
            structure = define(module_path, prefix=prefix)
            keep(path, lambda unfinished: unfinished.write_text(_as_json(structure), encoding="utf8"))
        return structure

    return define_structure


def _file_of(folder: Path, version: str, prefix: str) -> Path:
    """Return the file in the cache, whose name depends on the folder and on when its entries changed."""
    with os.scandir(folder) as entries:
        state = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name != "__pycache__")
    digest = hashlib.sha256(json.dumps([str(folder), prefix, state]).encode()).hexdigest()[:16]
    return cache_folder() / "imports" / f"transformers-{version}-{digest}.json"


def _as_json(structure: Structure) -> str:
    return json.dumps(
        [
            [sorted(libraries), {module: sorted(names) for module, names in modules.items()}]
            for libraries, modules in structure.items()
        ]
    )


def _read(path: Path) -> Structure | None:
    """Return a structure that was kept; None if there is none or the file is damaged."""
    try:
        return {
            frozenset(libraries): {module: set(names) for module, names in modules.items()}
            for libraries, modules in json.loads(path.read_text(encoding="utf8"))
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return None
