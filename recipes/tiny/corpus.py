"""The Tux Paint stamps: pictures, captions in many languages, and people saying them.

A stamp is a picture of one thing with a caption and, for a dozen languages, a recording of somebody saying it. The
package is Debian's `tuxpaint-stamps-default` (GPL-2). It is downloaded with `apt-get download`, checked against a
fixed SHA-256 and unpacked into the cache; nothing is installed.

    python -m recipes.tiny.corpus            # fetch, check, unpack, and print what is there
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

PACKAGE = "tuxpaint-stamps-default"
VERSION = "2022.06.04-1"
SHA256 = "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34"

LANGUAGES = ("be", "bg", "ca", "da", "el", "en", "es", "fr", "lt", "nl", "ro", "ru")
"""The languages that people recorded, by their codes in the package."""

UNHEARD_LANGUAGES = ("da", "el", "nl")
"""Every human recording in these is kept for testing: whole voices that the model never heard."""

PICTURE_SIZE = 128
PICTURE_MARGIN = 4
"""Pixels left white on every side of the object."""


def cache_folder() -> Path:
    """Where downloads, features and training checkpoints go: `$PHOTISM_CACHE`, or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "photism"
    return Path(os.environ.get("PHOTISM_CACHE", default)) / "tiny"


@dataclass(frozen=True)
class Stamp:
    """One thing: its picture, its captions and who says them.

    `name` is the path inside the stamps' folder without an extension (`animals/marsupials/koala`), `captions` and
    `recordings` are by language code; English is `en` in both.
    """

    name: str
    picture: Path | None
    captions: dict[str, str]
    recordings: dict[str, Path]

    @property
    def caption(self) -> str:
        return self.captions["en"]


@dataclass(frozen=True)
class Recording:
    """One person saying one caption."""

    path: Path
    stamp: str
    language: str
    caption: str
    spoken: str

    @property
    def is_test(self) -> bool:
        """Whether this recording is for testing and never trained on."""
        return self.language in UNHEARD_LANGUAGES or is_held_out(self.stamp, self.language)


def is_held_out(stamp: str, language: str) -> bool:
    """A fixed tenth of all (stamp, language) pairs, the same whatever else changes."""
    return int(hashlib.sha256(f"{stamp}|{language}".encode()).hexdigest(), 16) % 10 == 0


def fetch() -> Path:
    """The folder of the unpacked stamps; downloads, checks and unpacks the package if it is not there yet.

    Raises:
        SystemExit: where the package cannot be had or is not the one that was measured.
    """
    folder = cache_folder() / "corpus"
    stamps = folder / "usr/share/tuxpaint/stamps"
    if stamps.is_dir():
        return stamps
    package = cache_folder() / f"{PACKAGE}_{VERSION}_all.deb"
    package.parent.mkdir(parents=True, exist_ok=True)
    if not package.exists():
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                sys.exit(f"corpus: {tool} is missing; on another system put {package.name} into {package.parent}")
        command = ["apt-get", "download", f"{PACKAGE}={VERSION}"]
        if subprocess.run(command, cwd=package.parent, check=False).returncode:
            sys.exit(f"corpus: '{' '.join(command)}' failed; run 'apt-get update' and try again")
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"corpus: {package} has SHA-256 {digest}, not {SHA256}; delete it and fetch it again")
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-x", str(package), str(unfinished)], check=True)
    unfinished.rename(folder)
    return stamps


@cache
def read_stamps() -> tuple[Stamp, ...]:
    """Every stamp that has a caption, ordered by name."""
    root = fetch()
    return tuple(_read_stamp(root, path) for path in sorted(root.rglob("*.txt")))


def _read_stamp(root: Path, text: Path) -> Stamp:
    lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
    captions = {"en": lines[0].strip()}
    for line in lines[1:]:
        language, found, caption = line.partition(".utf8=")
        if found and language in LANGUAGES and caption.strip():
            captions.setdefault(language, caption.strip())
    spoken = {"en": text.with_name(f"{text.stem}_desc.ogg")}
    spoken |= {code: text.with_name(f"{text.stem}_desc_{code}.ogg") for code in LANGUAGES if code != "en"}
    pictures = (text.with_suffix(ending) for ending in (".svg", ".png"))
    return Stamp(
        name=text.relative_to(root).with_suffix("").as_posix(),
        picture=next((path for path in pictures if path.exists()), None),
        captions=captions,
        recordings={code: path for code, path in spoken.items() if path.exists()},
    )


def read_captions() -> tuple[str, ...]:
    """The distinct English captions, in the order in which stamps have them: what `hear` chooses among."""
    return tuple(dict.fromkeys(stamp.caption for stamp in read_stamps()))


def read_recordings() -> tuple[Recording, ...]:
    """Every human recording of a caption, ordered by stamp and language."""
    return tuple(
        Recording(path, stamp.name, language, stamp.caption, stamp.captions.get(language, stamp.caption))
        for stamp in read_stamps()
        for language, path in sorted(stamp.recordings.items())
    )


def read_picture(path: Path, size: int = PICTURE_SIZE) -> npt.NDArray[np.uint8]:
    """The object on white, as large as it fits with a margin: uint8 (size, size, 3)."""
    if path.suffix == ".svg":
        import resvg_py

        image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=4 * size, dpi=96))))
    else:
        image = Image.open(path)
    image = image.convert("RGBA")
    image = image.crop(image.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox())
    scale = (size - 2 * PICTURE_MARGIN) / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Premultiplied, so that the colour of fully transparent pixels does not bleed into the edges.
    image = image.convert("RGBa").resize((width, height), Image.Resampling.LANCZOS).convert("RGBA")
    canvas = Image.new("RGBA", (size, size), "white")
    canvas.alpha_composite(image, ((size - width) // 2, (size - height) // 2))
    return np.asarray(canvas.convert("RGB"))


@dataclass(frozen=True)
class Pictures:
    """The stamps' pictures on white: `pixels` uint8 (N, size, size, 3), and the caption of each."""

    pixels: npt.NDArray[np.uint8]
    captions: tuple[str, ...]


def read_pictures() -> Pictures:
    """All pictures; rendered once, then read from the cache."""
    stamps = [stamp for stamp in read_stamps() if stamp.picture]
    path = cache_folder() / f"pictures-{PICTURE_SIZE}.npy"
    if not path.exists():
        pixels = np.stack([read_picture(stamp.picture) for stamp in stamps if stamp.picture])
        with (unfinished := path.with_suffix(".part")).open("wb") as file:
            np.save(file, pixels)
        unfinished.rename(path)
    return Pictures(np.load(path), tuple(stamp.caption for stamp in stamps))


def main() -> None:
    stamps, recordings = read_stamps(), read_recordings()
    print(f"{len(stamps)} stamps, {len(read_captions())} captions, {len(read_pictures().pixels)} pictures")
    print(f"{len(recordings)} recordings, {sum(r.is_test for r in recordings)} of them for testing")
    for language, count in Counter(r.language for r in recordings).most_common():
        print(f"  {language}: {count}")


if __name__ == "__main__":
    main()
