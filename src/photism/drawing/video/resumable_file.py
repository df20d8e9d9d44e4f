"""Write a film to an MP4 file in segments, so that an interrupted film can be resumed.

film.mp4.part/             an unfinished film, next to its target
    settings.json          its fingerprint, see `photism.drawing.video.fingerprint`
    sound.mp4              the soundtrack
    00000000.mp4 …         finished segments, named after their first frame
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.drawing.video.encoding import count_video_frames, encode_segment, mux
from photism.errors import InputError
from photism.files import PART, atomic_path, check_writable, discard_folder, sibling

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.video.audio_features import MeasuredRecording
    from photism.drawing.video.film import Film
    from photism.drawing.video.settings import FilmSettings

SEGMENT_S = 2  # minimum length: what an interruption can lose, and the distance between the frames to seek to
SUFFIX = ".mp4"
DIGESTS = frozenset({"sound", "encoder", "diffusion", "image", "control_image"})
SETTINGS_NAME, SOUND_NAME, MUXED_NAME = "settings.json", "sound.mp4", "whole.mp4"


def part_folder(target: Path) -> Path:
    """Return the folder of an unfinished film."""
    return sibling(target, PART)


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """Check that a film can be written to a file.

    Args:
        target: the file.
        overwrite: accept an existing file.

    Raises:
        InputError: the name does not end in .mp4, the folder is missing or not writable, or the file exists.
    """
    if target.suffix.lower() != SUFFIX:
        raise InputError(f"target (-o) must be a file that ends in {SUFFIX}; got {target}")
    check_writable(target, "-o", force=overwrite)
    folder = part_folder(target)
    if folder.exists() and not _is_unfinished_film(folder):
        raise InputError(f"{folder} exists and is not an unfinished film; move it away or choose another file with -o")


def check_unfinished(target: Path, sound: MeasuredRecording, settings: FilmSettings) -> None:
    """Check, before a model is loaded, that an unfinished film can be resumed with this recording and these settings.

    `write_film` also checks the models.

    Raises:
        InputError: the unfinished film was started from another recording or with other settings.
    """
    stored = _stored_settings(part_folder(target))
    if stored is not None:
        from photism.drawing.video.fingerprint import requested_fingerprint

        requested = requested_fingerprint(sound, settings)
        _check_equal(part_folder(target), stored["about"], requested, requested)


def write_film(
    film: Film,
    target: str | Path,
    *,
    overwrite: bool = False,
    restart: bool = False,
    callback_on_frame: Callable[[int, int], None] | None = None,
) -> None:
    """Generate a film and write it to an MP4 file: H.264 video, and the audio of the recording.

    The video has the length of the audio, or up to one frame more. The audio is that of the recording to the sample,
    see `photism.drawing.video.soundtrack`. Memory does not grow with the length.

    Until the film is complete, it is stored in segments of about two seconds in a folder next to the target, named
    after it with `.part` appended. The same call resumes an interrupted film after its last complete segment; the
    result equals that of an uninterrupted film.

    Args:
        film: the film.
        target: file that ends in .mp4.
        overwrite: replace an existing file once the film is complete.
        restart: discard an unfinished film.
        callback_on_frame: receives the number of finished frames and the number of all, at the start and after each
            frame.

    Raises:
        InputError: the target cannot be written, MP4 cannot hold the audio, or there is an unfinished film with other
            settings. Nothing is generated or deleted then.
    """
    from photism.drawing.video.fingerprint import fingerprint

    target = Path(target)
    check_target(target, overwrite=overwrite)
    folder, frame_rate = part_folder(target), film.settings.frame_rate
    about = fingerprint(film)
    segment_frames = _open_folder(folder, about, _segment_frames(film), restart=restart)
    _write_soundtrack_once(film, folder)
    segments = [folder / f"{start:08d}{SUFFIX}" for start in range(0, film.frame_count, segment_frames)]
    done = _count_complete(segments, segment_frames, film.frame_count)
    images = _images(film, min(done * segment_frames, film.frame_count), callback_on_frame)
    for segment in segments[done:]:
        with atomic_path(segment) as unfinished:
            encode_segment(islice(images, segment_frames), unfinished, frame_rate=frame_rate)
    muxed = folder / MUXED_NAME
    mux(segments, folder / SOUND_NAME, muxed, frame_rate=frame_rate, metadata=about)
    muxed.replace(target)
    discard_folder(folder)


def _images(film: Film, first: int, callback_on_frame: Callable[[int, int], None] | None) -> Iterator[Image]:
    """Generate the images from frame `first` on, and report each."""
    if callback_on_frame is not None:
        callback_on_frame(first, film.frame_count)
    for frame in film.frames(range(first, film.frame_count)):
        if callback_on_frame is not None:
            callback_on_frame(frame.index + 1, film.frame_count)
        yield frame.image


def _segment_frames(film: Film) -> int:
    """Return the frames of a segment, in whole batches: a resumed film then has the batches of an uninterrupted one."""
    batch_size = film.settings.batch_size
    return batch_size * ceil(SEGMENT_S * film.settings.frame_rate / batch_size)


def _open_folder(folder: Path, about: dict[str, Any], segment_frames: int, *, restart: bool) -> int:
    """Create the folder of an unfinished film, or check an existing one, and return the frames of its segments."""
    if restart and folder.exists():
        discard_folder(folder)
    stored = _stored_settings(folder)
    if stored is None:
        folder.mkdir(exist_ok=True)
        with atomic_path(folder / SETTINGS_NAME) as unfinished:
            content = json.dumps({"piece_length": segment_frames, "about": about}, indent=1)
            unfinished.write_text(content, encoding="utf8")
        return segment_frames
    _check_equal(folder, stored["about"], about, about | stored["about"])
    return stored["piece_length"]


def _check_equal(folder: Path, stored: dict[str, Any], given: dict[str, Any], names: Iterable[str]) -> None:
    pairs = [(name, stored.get(name), given.get(name)) for name in names]
    changes = [_change(name, there, now) for name, there, now in pairs if there != now]
    if changes:
        raise InputError(
            f"{folder} holds an unfinished film with other settings ({', '.join(changes)}). Repeat its settings to "
            "resume it, choose another file with -o, or discard it with --restart"
        )


def _change(name: str, stored: object, given: object) -> str:
    """Describe how a setting differs; digests are not shown."""
    is_digest = name in DIGESTS or " " in f"{stored}{given}"
    there, now = ("none" if value is None else value for value in (stored, given))
    return f"another {name}" if is_digest else f"{name} {there} there, {now} now"


def _is_unfinished_film(folder: Path) -> bool:
    """Return whether a folder is that of an unfinished film, also if the film was interrupted before its settings."""
    if not folder.is_dir():
        return False
    return _stored_settings(folder) is not None or all(path.name.startswith(".") for path in folder.iterdir())


def _stored_settings(folder: Path) -> dict[str, Any] | None:
    """Return the settings of an unfinished film, or None if there is none."""
    try:
        return json.loads((folder / SETTINGS_NAME).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None


def _write_soundtrack_once(film: Film, folder: Path) -> None:
    """Write the soundtrack before any frame, so that its errors appear before hours of generation."""
    from photism.drawing.video.soundtrack import write_soundtrack

    target = folder / SOUND_NAME
    if not target.exists():
        with atomic_path(target) as unfinished:
            write_soundtrack(film.sound.sound, unfinished)


def _count_complete(segments: list[Path], segment_frames: int, frame_count: int) -> int:
    """Count the segments from the first one on that exist and hold all of their frames."""
    for number, segment in enumerate(segments):
        expected = min(segment_frames, frame_count - number * segment_frames)
        if not segment.exists() or count_video_frames(segment) != expected:
            return number
    return len(segments)
