"""The Tux Paint corpus: images, captions in many languages, and recordings of people who say them.

A stamp is an image of one object with a caption and, in up to twelve languages, a recording of the spoken caption. The
package is Debian's `tuxpaint-stamps-default` (GPL-2). It is downloaded with `apt-get download`, checked against a
fixed SHA-256 and unpacked into the cache; nothing is installed.

    python -m recipes.tiny.corpus            # download, check, unpack and print counts
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
"""Languages with human recordings, as the package abbreviates them."""

UNSEEN_LANGUAGES = ("da", "el", "nl")
"""Languages whose human recordings are all held out for testing, so that their speakers are unseen in training."""

IMAGE_SIZE = 128
IMAGE_MARGIN = 4
"""White margin on every side of the object, in pixels."""


def cache_folder() -> Path:
    """Return the folder of downloads, features and checkpoints, in `$PHOTISM_CACHE` or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "photism"
    return Path(os.environ.get("PHOTISM_CACHE", default)) / "tiny"


@dataclass(frozen=True)
class Stamp:
    """An object with its image, captions and recordings.

    Attributes:
        name: path in the stamps' folder without an extension, such as `animals/marsupials/koala`.
        picture: path of the image, if the stamp has one.
        captions: caption by language code; every stamp has "en".
        recordings: path of the spoken caption by language code.
    """

    name: str
    picture: Path | None
    captions: dict[str, str]
    recordings: dict[str, Path]

    @property
    def caption(self) -> str:
        """The English caption, which identifies the object."""
        return self.captions["en"]


@dataclass(frozen=True)
class Recording:
    """A recording of a person who says one caption."""

    path: Path
    stamp: str
    language: str
    caption: str
    spoken: str

    @property
    def is_test(self) -> bool:
        """Whether the recording is in the test set."""
        return self.language in UNSEEN_LANGUAGES or is_held_out(self.stamp, self.language)


def is_held_out(stamp: str, language: str) -> bool:
    """Return whether a (stamp, language) pair is in the test set: a tenth of all pairs, chosen by a hash."""
    return int(hashlib.sha256(f"{stamp}|{language}".encode()).hexdigest(), 16) % 10 == 0


def fetch() -> Path:
    """Download, check and unpack the package if needed, and return the folder of the stamps.

    Raises:
        SystemExit: the package cannot be downloaded or has another SHA-256.
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
                sys.exit(f"corpus: {tool} is missing; download {package.name} into {package.parent} by other means")
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
    """Return every stamp that has a caption, ordered by name."""
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
    """Return the distinct English captions, which are the classes of `photism hear`, in the order of the stamps."""
    return tuple(dict.fromkeys(stamp.caption for stamp in read_stamps()))


def read_recordings() -> tuple[Recording, ...]:
    """Return every human recording of a caption, ordered by stamp and language."""
    return tuple(
        Recording(path, stamp.name, language, stamp.caption, stamp.captions.get(language, stamp.caption))
        for stamp in read_stamps()
        for language, path in sorted(stamp.recordings.items())
    )


def read_picture(path: Path, size: int = IMAGE_SIZE) -> npt.NDArray[np.uint8]:
    """Return the object on white, as large as the margin allows: uint8 (size, size, 3)."""
    if path.suffix == ".svg":
        import resvg_py

        image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=4 * size, dpi=96))))
    else:
        image = Image.open(path)
    image = image.convert("RGBA")
    image = image.crop(image.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox())
    scale = (size - 2 * IMAGE_MARGIN) / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Premultiplied, so that the colour of fully transparent pixels does not bleed into the edges.
    image = image.convert("RGBa").resize((width, height), Image.Resampling.LANCZOS).convert("RGBA")
    canvas = Image.new("RGBA", (size, size), "white")
    canvas.alpha_composite(image, ((size - width) // 2, (size - height) // 2))
    return np.asarray(canvas.convert("RGB"))


@dataclass(frozen=True)
class Pictures:
    """The images of the stamps on white: `pixels` uint8 (N, size, size, 3), with their captions."""

    pixels: npt.NDArray[np.uint8]
    captions: tuple[str, ...]


def read_pictures() -> Pictures:
    """Return all images, rendered once and then read from the cache."""
    stamps = [stamp for stamp in read_stamps() if stamp.picture]
    path = cache_folder() / f"pictures-{IMAGE_SIZE}.npy"
    if not path.exists():
        pixels = np.stack([read_picture(stamp.picture) for stamp in stamps if stamp.picture])
        with (unfinished := path.with_suffix(".part")).open("wb") as file:
            np.save(file, pixels)
        unfinished.rename(path)
    return Pictures(np.load(path), tuple(stamp.caption for stamp in stamps))


def main() -> None:
    stamps, recordings = read_stamps(), read_recordings()
    print(f"{len(stamps)} stamps, {len(read_captions())} captions, {len(read_pictures().pixels)} images")
    print(f"{len(recordings)} recordings, {sum(r.is_test for r in recordings)} of them in the test set")
    for language, count in Counter(r.language for r in recordings).most_common():
        print(f"  {language}: {count}")


if __name__ == "__main__":
    main()
