"""Write a film to an MP4 file in segments, so that an interrupted film can be resumed.

film.mp4.part/             an unfinished film, next to its target
    settings.json          its fingerprint, see `photism.drawing.video.fingerprint`
    sound.mp4              the soundtrack, if there is one
    00000000.mp4 …         finished segments, named after their first frame
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.drawing.video.encoding import count_video_frames, encode_segment, mux, read_metadata
from photism.errors import InputError
from photism.files import PART, atomic_path, check_writable, discard_folder, sibling
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    from fractions import Fraction

    from PIL.Image import Image

    from photism.drawing.video.audio_features import MeasuredRecording
    from photism.drawing.video.film import Film
    from photism.drawing.video.settings import FilmSettings

SEGMENT_S = 2  # minimum length: what an interruption can lose, and the distance between the frames to seek to
SUFFIX = ".mp4"
DIGESTS = frozenset({"sound", "encoder", "diffusion", "image", "style", "control_image", "mixed_sound"})
SETTINGS_NAME, SOUND_NAME, MUXED_NAME = "settings.json", "sound.mp4", "whole.mp4"
TRIAL_NAME = "trial.mp4"
SEGMENT_NAMES = f"{'[0-9]' * 8}{SUFFIX}"


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
    folder = part_folder(target)
    _discard_finished(folder, target)
    check_writable(target, "-o", force=overwrite)
    if folder.exists() and not _is_unfinished_film(folder):
        raise InputError(f"{folder} exists and is not an unfinished film; move it away or choose another file with -o")


def check_unfinished(
    target: Path, sound: MeasuredRecording, settings: FilmSettings, others: Sequence[MeasuredRecording] = ()
) -> None:
    """Check, before a model is loaded, that an unfinished film can be resumed with these recordings and settings.

    `write_film` also checks the models.

    Raises:
        InputError: the unfinished film was started from other recordings or with other settings.
    """
    stored = _stored_settings(part_folder(target))
    if stored is not None and has_segments(target):
        from photism.drawing.video.fingerprint import requested_fingerprint

        requested = requested_fingerprint(sound, settings, others)
        _check_equal(part_folder(target), stored["about"], requested, requested)


def has_segments(target: Path) -> bool:
    """Return whether there is an unfinished film of this target of which any segment is finished."""
    return any(part_folder(target).glob(SEGMENT_NAMES))


def write_film(
    film: Film,
    target: str | Path,
    *,
    frames: range | None = None,
    overwrite: bool = False,
    restart: bool = False,
    callback_on_frame: Callable[[int, int], None] | None = None,
) -> None:
    """Generate a film and write it to an MP4 file: H.264 video, and the audio of the recording.

    The video has the length of the audio, or up to one frame more; for the audio, see
    `photism.drawing.video.soundtrack`. Memory does not grow with the length. The first frame is generated, encoded and
    muxed by itself before the others.

    Until the film is complete, it is stored in segments of about two seconds in a folder next to the target, named
    after it with `.part` appended. The same call resumes an interrupted film after its last complete segment; the
    result equals that of an uninterrupted film. If no segment is complete, nothing of it is left.

    Args:
        film: the film.
        target: file that ends in .mp4.
        frames: consecutive frames to write, with the audio of their time; by default all.
        overwrite: replace an existing file once the film is complete.
        restart: discard an unfinished film.
        callback_on_frame: receives the number of finished frames and the number of all, at the start and after each
            frame.

    Raises:
        InputError: the target cannot be written, another process is writing it, MP4 cannot hold the audio, there is an
            unfinished film with other settings, or the first frame is black. No unfinished film is deleted then.
    """
    target = Path(target)
    check_target(target, overwrite=overwrite)
    with sole_writer(target, keep_file=False):
        _write_film(film, target, frames=frames, restart=restart, callback_on_frame=callback_on_frame)


def _write_film(
    film: Film,
    target: Path,
    *,
    frames: range | None,
    restart: bool,
    callback_on_frame: Callable[[int, int], None] | None,
) -> None:
    """Write a film, which no other process is writing."""
    from photism.drawing.video.fingerprint import fingerprint

    folder, frame_rate = part_folder(target), film.settings.frame_rate
    part = {} if frames is None else {"frames": [frames.start, frames.stop]}
    frames = frames or range(film.frame_count)
    about = {**fingerprint(film), **part}
    segment_frames = _open_folder(folder, about, _segment_frames(film), restart=restart)
    try:
        span_s = (float(frames.start / frame_rate), float(frames.stop / frame_rate)) if part else None
        soundtrack = _write_soundtrack_once(film, folder, span_s)
        starts = frames[::segment_frames]
        segments = [folder / f"{start:08d}{SUFFIX}" for start in starts]
        done = _count_complete(segments, segment_frames, len(frames))
        images = _images(film, frames[done * segment_frames :], frames, callback_on_frame)
        if not done:
            images = _tried(images, folder, soundtrack, frame_rate=frame_rate)
        for segment in segments[done:]:
            with atomic_path(segment) as unfinished:
                encode_segment(islice(images, segment_frames), unfinished, frame_rate=frame_rate)
        muxed = folder / MUXED_NAME
        mux(segments, soundtrack, muxed, frame_rate=frame_rate, metadata=about)
    except BaseException:
        if not has_segments(target):
            discard_folder(folder)
        raise
    muxed.replace(target)
    discard_folder(folder)


def _images(
    film: Film, indices: range, all_indices: range, callback_on_frame: Callable[[int, int], None] | None
) -> Iterator[Image]:
    """Generate the images of some frames, and report how many of all are done."""
    done, count = len(all_indices) - len(indices), len(all_indices)
    if callback_on_frame is not None:
        callback_on_frame(done, count)
    for number, frame in enumerate(film.frames(indices), start=done + 1):
        if callback_on_frame is not None:
            callback_on_frame(number, count)
        yield frame.image


def _tried(images: Iterator[Image], folder: Path, soundtrack: Path | None, *, frame_rate: Fraction) -> Iterator[Image]:
    """Write a film of the first image alone, so that what cannot be written is found before hours of generation.

    Raises:
        InputError: the image is black.
    """
    first = next(images)
    if not first.getbbox():
        raise InputError(
            "the first frame is black: a safety checker has replaced it, or the model has failed; try another --seed, "
            "--negative, --dtype or --scheduler. Nothing was written"
        )
    trial, muxed = folder / TRIAL_NAME, folder / MUXED_NAME
    encode_segment([first], trial, frame_rate=frame_rate)
    mux([trial], soundtrack, muxed, frame_rate=frame_rate, metadata={})
    trial.unlink()
    muxed.unlink()
    return chain([first], images)


def _segment_frames(film: Film) -> int:
    """Return the frames of a segment, in whole batches: a resumed film then has the batches of an uninterrupted one."""
    batch_size = film.settings.batch_size
    return batch_size * ceil(SEGMENT_S * film.settings.frame_rate / batch_size)


def _open_folder(folder: Path, about: dict[str, Any], segment_frames: int, *, restart: bool) -> int:
    """Create the folder of an unfinished film, or check an existing one, and return the frames of its segments."""
    if restart and folder.exists():
        discard_folder(folder)
    stored = _stored_settings(folder)
    if stored is not None and not any(folder.glob(SEGMENT_NAMES)):
        discard_folder(folder)
        stored = None
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
    """Describe how a setting differs; digests, texts of several words, lists and tables are not shown."""
    if name in DIGESTS or any(isinstance(value, str) and " " in value for value in (stored, given)):
        return f"another {name}"
    if isinstance(stored, list | dict) or isinstance(given, list | dict):
        return f"other settings for {name}"
    there, now = ("none" if value is None else value for value in (stored, given))
    return f"{name} {there} there, {now} now"


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


def _write_soundtrack_once(film: Film, folder: Path, span_s: tuple[float, float] | None) -> Path | None:
    """Write the soundtrack before any frame, so that its errors appear before hours of generation, and return it."""
    if film.settings.audio == "none":
        return None
    from photism.drawing.video.soundtrack import write_soundtrack

    target = folder / SOUND_NAME
    if not target.exists():
        with atomic_path(target) as unfinished:
            write_soundtrack(film.sound.sound, unfinished, film.settings.audio, span_s=span_s)
    return target


def _discard_finished(folder: Path, target: Path) -> None:
    """Delete the folder of a film that is complete: the process was killed just before it did so."""
    stored = _stored_settings(folder)
    if stored is not None and target.is_file() and read_metadata(target) == stored["about"]:
        discard_folder(folder)


def _count_complete(segments: list[Path], segment_frames: int, frame_count: int) -> int:
    """Count the segments from the first one on that exist and hold all of their frames."""
    for number, segment in enumerate(segments):
        expected = min(segment_frames, frame_count - number * segment_frames)
        if not segment.exists() or count_video_frames(segment) != expected:
            return number
    return len(segments)
