"""Optional dependencies: the extras of this package, the libraries of each, and the command that installs one."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from photism.errors import InputError

MODULES = {"pillow": "PIL", "pygame_ce": "pygame", "pylance": "lance", "pyyaml": "yaml", "scikit_learn": "sklearn"}
"""Modules whose name is not that of their distribution, with underscores for hyphens."""

NOT_FOR_USERS = ("all", "dev", "docs", "tiny")
"""Extras that repeat others, serve the development, or install no library."""

CLONE = Path(__file__).parents[2]
"""The clone of the sources, if this package is used from one."""


def require(module: str, purpose: str, extra: str) -> None:
    """Check that a library of an extra is installed, without importing it.

    Args:
        module: name of the module.
        purpose: what needs it, such as "an export to ONNX".
        extra: name of the extra.

    Raises:
        InputError: it is not installed.
    """
    if not is_installed(module):
        raise missing(module, purpose, extra)


def missing(module: str, purpose: str, extra: str) -> InputError:
    """Return the error for a library of an extra that is not installed, with the command that installs it."""
    return InputError(f"{purpose} needs {distribution(module)}, which is not installed: {install_command(extra)}")


def is_installed(module: str) -> bool:
    """Return whether a module can be found."""
    return find_spec(module) is not None


def install_command(extra: str | None = None) -> str:
    """Return the command that installs this package, or an extra of it: from the clone if it is used from one."""
    if not _is_clone():
        return f"pip install {quote(_with_extra('photism', extra))}"
    if extra == "tiny":
        return f"pip install {quote(str(_tiny()))}"
    return f"pip install -e {quote(_with_extra(str(CLONE), extra))}"


def reinstall_command() -> str:
    """Return the command that replaces damaged files of the bundled model."""
    source = quote(str(_tiny())) if _is_clone() else "photism-tiny"
    return f"pip install --force-reinstall --no-deps {source}"


def _tiny() -> Path:
    return CLONE / "packages" / "photism-tiny"


def _with_extra(target: str, extra: str | None) -> str:
    return f"{target}[{extra}]" if extra else target


def distribution(module: str) -> str:
    """Return the name of the distribution that installs a module, which pip knows."""
    names = {MODULES.get(_normal(name), _normal(name)): name for names in extras().values() for name in names}
    return names.get(module, module)


def module_of(name: str) -> str:
    """Return the name of the module that a distribution installs."""
    return MODULES.get(_normal(name), _normal(name))


@lru_cache
def extras() -> dict[str, tuple[str, ...]]:
    """Return the distributions of each extra that is for users, and of the package itself, under "".

    They are those of the clone, whose installed metadata are as old as its installation, or of the installed package.
    """
    found: dict[str, tuple[str, ...]] = {}
    for extra, requirements in _requirements().items():
        if extra not in NOT_FOR_USERS:
            found[extra] = tuple(re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in requirements)
    return found


def _requirements() -> dict[str, list[str]]:
    """Return the requirements of the package under "", and those of each extra under its name."""
    if _is_clone() and sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return {"": project["dependencies"], **project["optional-dependencies"]}
    from importlib.metadata import PackageNotFoundError, requires

    found: dict[str, list[str]] = {"": []}
    try:
        required = requires("photism") or []
    except PackageNotFoundError:  # the sources are on the path and nothing is installed
        required = []
    for requirement in required:
        extra = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", requirement)
        found.setdefault(extra[1] if extra else "", []).append(requirement)
    return found


def _is_clone() -> bool:
    return (CLONE / "pyproject.toml").is_file() and (CLONE / "src" / "photism").is_dir()


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
