"""The wheels and source archives of both packages: what they hold, and that one builds from the other."""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from photism import __version__

ROOT = Path(__file__).parent.parent.parent
TINY = ROOT / "packages/photism-tiny"
WEIGHTS = {".bin", ".ckpt", ".npz", ".onnx", ".pt", ".pth", ".safetensors"}
# The largest file that PyPI takes without being asked.
INDEX_LIMIT_MB = 100

pytest.importorskip("hatchling", reason="hatchling, which builds the packages, is not installed")


def build(project: Path, target: str, folder: Path) -> Path:
    """Build a `wheel` or an `sdist` as pip does, in this environment, and return its path."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    (path,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return path


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: Path) -> Message:
    (text,) = (data for name, data in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(text)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a source archive and return its one folder."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


def sources(folder: Path) -> set[str]:
    """Return the paths of all files of a package, relative to the folder that holds it."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def assert_links_are_absolute(markdown: str):
    targets = re.findall(r"\]\(([^)\s]+)\)|\b(?:src|href)=\"([^\"]+)\"", markdown)
    for target in (in_markdown or in_html for in_markdown, in_html in targets):
        assert re.match(r"https://|#", target), target


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = contents(wheel).keys()
    assert {name for name in names if ".dist-info/" not in name} == sources(ROOT / "src/photism")
    assert {"photism/py.typed", "photism/server/studio/static/index.html"} <= names
    assert wheel.stat().st_size < 3e6


def test_the_wheel_has_no_weights_and_no_tests(wheel):
    for name in contents(wheel):
        assert Path(name).suffix not in WEIGHTS, name
        assert "test" not in Path(name).parts[0], name


def test_the_wheel_has_the_licences_of_the_code_and_of_the_vocabulary(wheel):
    held = contents(wheel)
    folder = f"photism-{__version__}.dist-info/licenses/"
    for licence in ("LICENSE", "src/photism/prompts/diffusion/clip_vocabulary/LICENSE"):
        assert held[folder + licence] == (ROOT / licence).read_bytes()
    assert metadata(wheel)["License-Expression"] == "Apache-2.0 AND MIT"


def test_the_page_of_the_package_has_absolute_links_to_one_address(wheel):
    described = metadata(wheel)
    (label_and_address,) = described.get_all("Project-URL", [])
    label, address = label_and_address.split(", ")
    assert label == "Repository"
    text = described.get_payload()
    assert isinstance(text, str)
    assert described["Description-Content-Type"] == "text/markdown"
    assert_links_are_absolute(text)
    assert f"]({address}/raw/HEAD/docs/strip.png)" in text
    assert f"]({address}/blob/HEAD/docs/architecture.md)" in text


def test_a_wheel_from_the_source_archive_is_the_same(wheel, source_archive, tmp_path):
    unpacked = unpack(source_archive, tmp_path / "sources")
    assert {"CHANGELOG.md", "LICENSE", "README.md", "constraints.txt"} <= {path.name for path in unpacked.iterdir()}
    rebuilt = build(unpacked, "wheel", tmp_path / "wheel")
    assert contents(rebuilt) == contents(wheel)


def test_the_page_of_photism_tiny_has_no_link_that_leads_nowhere():
    assert_links_are_absolute((TINY / "README.md").read_text("utf-8"))


@pytest.mark.slow
def test_photism_tiny_holds_its_whole_model(tmp_path):
    archive = build(TINY, "sdist", tmp_path / "sdist")
    wheel = build(unpack(archive, tmp_path / "sources"), "wheel", tmp_path / "wheel")
    names = contents(wheel).keys()
    assert {name for name in names if ".dist-info/" not in name} == sources(TINY / "src/photism_tiny")
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert metadata(wheel)["License-Expression"] == "GPL-2.0-or-later"
    for path in (archive, wheel):
        assert path.stat().st_size < INDEX_LIMIT_MB * 1e6
