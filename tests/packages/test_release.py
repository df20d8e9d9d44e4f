"""The check before a release, and the workflows that test and publish."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ADDRESS = "https://example.org/somebody/photism"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-29\n"

specification = importlib.util.spec_from_file_location("check_release", ROOT / ".github/check_release.py")
assert specification is not None
assert specification.loader is not None
check_release = importlib.util.module_from_spec(specification)
specification.loader.exec_module(check_release)


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Return a folder with wheels of both packages that hold their metadata alone."""
    for name in ("photism", "photism_tiny"):
        with zipfile.ZipFile(tmp_path / f"{name}-0.2.0-py3-none-any.whl", "w") as wheel:
            metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 0.2.0\nProject-URL: Repository, {ADDRESS}\n"
            wheel.writestr(f"{name}-0.2.0.dist-info/METADATA", metadata)
    return tmp_path


def test_a_release_that_is_complete_has_no_problems(dist):
    assert check_release.find_problems(dist, "v0.2.0", ADDRESS, CHANGELOG) == []


@pytest.mark.parametrize(
    ("tag", "repository", "changelog", "problem"),
    [
        ("v0.3.0", ADDRESS, CHANGELOG, "The tag is v0.3.0, and the version of photism is 0.2.0."),
        (
            "v0.2.0",
            "https://example.org/another/photism",
            CHANGELOG,
            f"pyproject.toml names the repository {ADDRESS}; this is https://example.org/another/photism.",
        ),
        ("v0.2.0", ADDRESS, "## [0.2.0]\n", "CHANGELOG.md has no dated section for 0.2.0."),
    ],
)
def test_what_contradicts_a_release(dist, tag, repository, changelog, problem):
    assert check_release.find_problems(dist, tag, repository, changelog) == [problem]


@pytest.mark.parametrize(
    "linter", [("actionlint",), ("zizmor", "--offline", "--quiet", ".github")], ids=lambda it: it[0]
)
def test_the_workflows_pass_a_linter(linter):
    program = shutil.which(linter[0], path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip(f"{linter[0]} is not installed")
    result = subprocess.run([program, *linter[1:]], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
