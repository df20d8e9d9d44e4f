"""Folders of images: resuming, changed recordings, and files of something else."""

from dataclasses import replace
from typing import NamedTuple

import pytest

from photism.jobs.job import Outcome
from photism.jobs.outputs.image_folder import ImageFolder
from photism.jobs.provenance import Provenance
from photism.jobs.run import run
from photism.jobs.survey import Survey
from tests.support.jobs import NameJob, entries, newer


class Images(NamedTuple):
    images: list[bytes]


class ImageJob(NameJob):
    """A job whose images are the name of the recording."""

    def load(self):
        worker = super().load()
        stream = worker.stream

        def with_images(*given, **callbacks):
            for outcome in stream(*given, **callbacks):
                yield Outcome(outcome.number, {}, outcome.duration_s, Images([b"one", b"two"]))

        worker.stream = with_images
        return worker


def run_to(path, listed, *, force=False, **job):
    def open_folder(provenance: Provenance) -> ImageFolder:
        return ImageFolder(path, 2, provenance, name_of=Survey(listed).name_of, force=force)

    return run(ImageJob(**job), listed, open_folder)


def images_of(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*.png"))


def test_several_images_of_a_recording_are_numbered_and_made_once(tmp_path):
    listed = entries("a.wav", "broken.wav", "b.wav")
    summary = run_to(tmp_path / "images", listed)
    assert (summary.processed, summary.errors) == (2, 1)
    assert images_of(tmp_path / "images") == ["a-1.png", "a-2.png", "b-1.png", "b-2.png"]
    (tmp_path / "images/a-2.png").unlink()
    again = run_to(tmp_path / "images", listed, mended=True)
    assert (again.processed, again.done_before) == (2, 1)
    assert len(images_of(tmp_path / "images")) == 6


def test_a_recording_that_becomes_unreadable_loses_its_images(tmp_path):
    (entry,) = entries("broken.wav")
    run_to(tmp_path / "images", [entry], mended=True)
    assert images_of(tmp_path / "images") == ["broken-1.png", "broken-2.png"]
    assert run_to(tmp_path / "images", [newer(entry)]).errors == 1
    assert images_of(tmp_path / "images") == []


def test_a_changed_recording_of_another_name_leaves_no_old_images(tmp_path):
    (entry,) = entries("a.wav")
    run_to(tmp_path / "images", [entry])
    run_to(tmp_path / "images", [replace(newer(entry), name="b.wav")])
    assert images_of(tmp_path / "images") == ["b-1.png", "b-2.png"]


def test_a_file_of_something_else_stays(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a-2.png").write_bytes(b"mine")
    summary = run_to(folder, entries("a.wav", "b.wav"))
    assert (summary.processed, summary.errors) == (1, 1)
    assert (folder / "a-2.png").read_bytes() == b"mine"
    run_to(folder, entries("a.wav", "b.wav"), force=True)
    assert (folder / "a-2.png").read_bytes() == b"two"


def test_other_settings_are_refused(tmp_path):
    run_to(tmp_path / "images", entries("a.wav"))
    with pytest.raises(ValueError, match=r"setting 1 instead of 2"):
        run_to(tmp_path / "images", entries("a.wav"), setting=2)
