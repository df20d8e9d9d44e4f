"""Check that a tag, the built packages, the changelog and the repository belong together before they are published.

python .github/check_release.py dist v0.2.0 https://github.com/OWNER/photism
"""

import email
import re
import sys
import zipfile
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).parent.parent


def read_metadata(wheel: Path) -> Message:
    """Return the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def find_problems(dist: Path, tag: str, repository: str, changelog: str) -> list[str]:
    """Return what contradicts the release, a sentence each."""
    (wheel,) = dist.glob("photism-*.whl")
    metadata = read_metadata(wheel)
    version, address = metadata["Version"], metadata["Project-URL"].removeprefix("Repository, ")
    problems: list[str] = []
    if tag != f"v{version}":
        problems.append(f"The tag is {tag}, and the version of photism is {version}.")
    if address != repository:
        problems.append(f"pyproject.toml names the repository {address}; this is {repository}.")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        problems.append(f"CHANGELOG.md has no dated section for {version}.")
    return problems


if __name__ == "__main__":
    folder, tag, repository = sys.argv[1:]
    if problems := find_problems(Path(folder), tag, repository, (ROOT / "CHANGELOG.md").read_text("utf-8")):
        sys.exit("\n".join(problems))
