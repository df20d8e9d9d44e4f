"""A film as a file, made piece by piece: what is drawn is kept, and the next call goes on from there.

film.mp4.part/             while it is unfinished, beside where it is to be
    settings.json          what it is made of, see `fingerprint.describe`
    sound.mp4              the sound track
    00000000.mp4 …         finished pieces, named for their first picture
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.drawing.video.encoding import count_pictures, join, write_piece
from photism.errors import InputError
from photism.files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.video.audio_features import MeasuredSound
    from photism.drawing.video.film import Film
    from photism.drawing.video.settings import FilmSettings

PIECE_S = 2  # at least: what an interruption costs, and how far apart players can start
SUFFIX = ".mp4"
SETTINGS_NAME, SOUND_NAME, WHOLE_NAME = "settings.json", "sound.mp4", "whole.mp4"


def part_folder(target: Path) -> Path:
    """Where an unfinished film is kept."""
    return target.with_name(f"{target.name}.part")


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """See whether a film can be written there.

    Raises:
        InputError: the name does not end in .mp4, its folder is missing or cannot be written to, or it is taken.
    """
    if target.suffix.lower() != SUFFIX:
        raise InputError(f"target must be a file that ends in {SUFFIX}; got {target}")
    if not target.parent.is_dir():
        raise InputError(f"target: the folder {target.parent} does not exist; create it")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"target: the folder {target.parent} cannot be written to; name another")
    if target.is_dir() or (target.exists() and not overwrite):
        raise InputError(f"{target} exists; give another target (-o), or overwrite it (--force)")
    folder = part_folder(target)
    if folder.exists() and not _is_ours(folder):
        raise InputError(f"{folder} is in the way, and is no unfinished film; move it away")


def check_unfinished(target: Path, sound: MeasuredSound, settings: FilmSettings) -> None:
    """See whether an unfinished film that is there is of this sound and these settings, before a model is loaded.

    Raises:
        InputError: it is of others. Whether it is of the same models, `write_film` sees.
    """
    found = _settings(part_folder(target))
    if found is not None:
        from photism.drawing.video.fingerprint import describe_request

        known = {name: value for name, value in describe_request(sound, settings).items() if value is not None}
        _check_same(part_folder(target), found["about"], known)


def write_film(
    film: Film,
    target: str | Path,
    *,
    overwrite: bool = False,
    restart: bool = False,
    callback_on_frame: Callable[[int, int], None] | None = None,
) -> None:
    """Draw a film into an MP4 file, H.264 with the sound of the recording, and go on with one that was interrupted.

    The pictures last as long as the sound, or less than one picture longer. The sound is the recording's own, see
    `soundtrack`. Memory does not grow with the length. Until the film is whole, it is in a folder beside its target,
    named after it with `.part` behind, in pieces of about two seconds. The same call goes on after the last of them,
    with the pictures that an uninterrupted film has.

    Args:
        film: what is drawn.
        target: a file that ends in .mp4.
        overwrite: replace a file that is there, once the film is whole.
        restart: throw away what is drawn already.
        callback_on_frame: is given the pictures drawn and those of the whole film, at the start and after each.

    Raises:
        InputError: the target cannot be used, its sound cannot be kept, or an unfinished film with other settings is
            there; nothing has been drawn or thrown away then.
    """
    from photism.drawing.video.fingerprint import describe

    target = Path(target)
    check_target(target, overwrite=overwrite)
    folder = part_folder(target)
    about = describe(film)
    piece_length = _begin(folder, about, _piece_length(film), restart=restart)
    _keep_soundtrack(film, folder)
    pieces = [folder / f"{start:08d}{SUFFIX}" for start in range(0, film.frame_count, piece_length)]
    done = _count_finished(pieces, piece_length, film.frame_count)
    pictures = _pictures(film, min(done * piece_length, film.frame_count), callback_on_frame)
    for piece in pieces[done:]:
        with atomic_path(piece) as unfinished:
            write_piece(islice(pictures, piece_length), unfinished, fps=film.settings.frame_rate)
    whole = folder / WHOLE_NAME
    join(pieces, folder / SOUND_NAME, whole, fps=film.settings.frame_rate, about=about)
    whole.replace(target)
    shutil.rmtree(folder)


def _pictures(film: Film, first: int, callback_on_frame: Callable[[int, int], None] | None) -> Iterator[Image]:
    """From `first` on, each reported as it is drawn."""
    if callback_on_frame is not None:
        callback_on_frame(first, film.frame_count)
    for still in film.stills(range(first, film.frame_count)):
        if callback_on_frame is not None:
            callback_on_frame(still.index + 1, film.frame_count)
        yield still.picture


def _piece_length(film: Film) -> int:
    """In pictures, and in whole batches, or those of an uninterrupted film would be drawn with others."""
    batch = film.settings.batch_size
    return batch * ceil(PIECE_S * film.settings.frame_rate / batch)


def _begin(folder: Path, about: dict[str, Any], piece_length: int, *, restart: bool) -> int:
    """Makes the folder, or finds it; the pictures in each of its pieces."""
    if restart and folder.exists():
        shutil.rmtree(folder)
    found = _settings(folder)
    if found is None:
        folder.mkdir(exist_ok=True)
        with atomic_path(folder / SETTINGS_NAME) as unfinished:
            unfinished.write_text(json.dumps({"piece_length": piece_length, "about": about}, indent=1), encoding="utf8")
        return piece_length
    _check_same(folder, found["about"], about)
    return found["piece_length"]


def _check_same(folder: Path, found: dict[str, Any], about: dict[str, Any]) -> None:
    differing = [name for name in about if found.get(name) != about[name]]
    if differing:
        changes = ", ".join(_change(name, found.get(name), about[name]) for name in differing)
        raise InputError(
            f"{folder} holds an unfinished film of another kind ({changes}): to go on with it, give what it was made "
            "with; to begin another, give another target (-o); to throw it away, restart (--restart)"
        )


def _is_ours(folder: Path) -> bool:
    """Also where an interruption came before its settings were written."""
    return folder.is_dir() and (
        _settings(folder) is not None or all(path.name.startswith(".") for path in folder.iterdir())
    )


def _change(name: str, there: object, now: object) -> str:
    """Digests are only told to differ."""
    is_digest = name in ("sound", "encoder", "diffusion") or " " in f"{there}{now}"
    return f"another {name}" if is_digest else f"{name} {there} there, {now} now"


def _settings(folder: Path) -> dict[str, Any] | None:
    """None where there is no unfinished film."""
    try:
        return json.loads((folder / SETTINGS_NAME).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None


def _keep_soundtrack(film: Film, folder: Path) -> None:
    """First of all: what fails should fail before hours are spent on pictures."""
    from photism.drawing.video.soundtrack import write_soundtrack

    target = folder / SOUND_NAME
    if not target.exists():
        with atomic_path(target) as unfinished:
            write_soundtrack(film.sound.sound, unfinished)


def _count_finished(pieces: list[Path], piece_length: int, frame_count: int) -> int:
    """Of those from the first on without a gap, that hold all of their pictures."""
    for number, piece in enumerate(pieces):
        if not piece.exists() or count_pictures(piece) != min(piece_length, frame_count - number * piece_length):
            return number
    return len(pieces)
