"""Files and folders that are written completely or not at all, with the mode that the umask says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from photism.encoder.model import Wav2Vec2BertModel
from photism.errors import InputError, is_disk_full
from photism.files import (
    apply_umask,
    as_utf8,
    atomic_files,
    atomic_folder,
    atomic_path,
    atomic_text,
    check_folder,
    check_writable,
    sweep,
)
from photism.listening.embeddings import save_embeddings
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.training.checkpoint import write_best, write_checkpoint
from tests.encoder.reference import tiny_config


@pytest.fixture(params=[0o022, 0o027, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def interrupt(context) -> None:
    """Write half of what is to be written."""
    with context as part:
        if isinstance(part, Path):
            (part / "half" if part.is_dir() else part).write_text("half")
        else:
            part.write("half")
        raise KeyboardInterrupt


@pytest.mark.parametrize("sole_writer", [False, True])
def test_a_file_replaces_its_target_when_it_is_complete(tmp_path, sole_writer):
    target = tmp_path / "labels.csv"
    target.write_text("before")
    with atomic_path(target, sole_writer=sole_writer) as unfinished:
        unfinished.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


def test_text_keeps_its_line_ends_and_is_utf8(tmp_path):
    target = tmp_path / "labels.csv"
    with atomic_text(target) as file:
        file.write("café\r\n")
    assert target.read_bytes() == b"caf\xc3\xa9\r\n"


@pytest.mark.parametrize("write", [atomic_path, atomic_text])
def test_an_interrupted_file_leaves_its_target_unchanged(tmp_path, write):
    target = tmp_path / "labels.csv"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        interrupt(write(target))
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_of_a_killed_sole_writer_is_overwritten(tmp_path):
    target = tmp_path / "best.safetensors"
    (tmp_path / ".best.safetensors.part").write_text("of a process that was killed")
    with atomic_path(target, sole_writer=True) as unfinished:
        assert unfinished.read_text() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_folder_replaces_its_target_when_it_is_complete(tmp_path):
    target = tmp_path / "step-1"
    (tmp_path / "step-1.part").mkdir()
    (tmp_path / "step-1.part" / "left").write_text("of a process that was killed")
    for text in ("first", "second"):
        with atomic_folder(target) as part:
            (part / "weights").write_text(text)
            (part / "more").mkdir()
        assert (target / "weights").read_text() == text
        assert {path.name for path in tmp_path.rglob("*")} == {"step-1", "weights", "more"}


def test_an_interrupted_folder_leaves_its_target_unchanged(tmp_path):
    target = tmp_path / "step-1"
    with atomic_folder(target) as part:
        (part / "weights").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        interrupt(atomic_folder(target))
    assert {path.name for path in tmp_path.rglob("*")} == {"step-1", "weights"}


def test_a_folder_whose_replacement_was_killed_is_restored(tmp_path):
    old = tmp_path / "step-1.old"
    old.mkdir()
    (old / "weights").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        interrupt(atomic_folder(tmp_path / "step-1"))
    assert (tmp_path / "step-1" / "weights").read_text() == "before"
    assert not old.exists()


def test_files_replace_those_of_the_same_names_in_a_folder(tmp_path):
    (tmp_path / "config.json").write_text("before")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        interrupt(atomic_files(tmp_path))
    with atomic_files(tmp_path) as part:
        (part / "config.json").write_text("after")
        assert (tmp_path / "config.json").read_text() == "before"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"config.json": "after", "notes.txt": "mine"}


def test_saved_weights_have_the_mode_of_the_umask(tmp_path, umask, models):
    weights = {"weight": torch.zeros(2)}
    with atomic_path(tmp_path / "path.safetensors") as path:
        save_file(weights, path)
        assert mode(path) == 0o600  # safetensors' own mode, which this test is about
    with atomic_files(tmp_path) as part:
        save_file(weights, part / "files.safetensors")
    write_best(tmp_path / "best.safetensors", weights, step=1, metrics={})
    write_checkpoint(tmp_path / "step-1", {"weights": weights}, {"step": 1})
    save_embeddings({"a": torch.zeros(2).numpy()}, tmp_path / "embeddings.safetensors")
    Wav2Vec2BertModel(tiny_config()).save_pretrained(tmp_path / "encoder")
    AudioPromptEncoder.from_pretrained(models / "sd").save_pretrained(tmp_path / "prompts")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".safetensors"]) == 7
    assert {path.name: oct(mode(path)) for path in files} == {path.name: oct(0o666 & ~umask) for path in files}


def test_apply_umask_leaves_no_other_file(tmp_path, umask):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    apply_umask([path])
    assert mode(path) == 0o666 & ~umask
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_cannot_be_written_is_reported_with_its_option(tmp_path):
    target = tmp_path / "labels.csv"
    check_writable(target, "-o", force=False)
    target.write_text("before")
    check_writable(target, "-o", force=True)
    with pytest.raises(InputError, match=r"labels.csv exists; give another name with -o, or --force to overwrite it$"):
        check_writable(target, "-o", force=False)
    with pytest.raises(InputError, match=r"^--plot: the folder .*none does not exist; create it$"):
        check_writable(tmp_path / "none" / "plot.png", "--plot", force=True)
    with pytest.raises(InputError, match=rf"^-o: {tmp_path} is a folder; give the name of a file$"):
        check_writable(tmp_path, "-o", force=True)


@pytest.mark.parametrize("length", [100, 101, 255])
def test_a_temporary_name_is_never_too_long(tmp_path, length):
    target = tmp_path / ("x" * length)
    with atomic_path(target) as part:
        assert len(part.name) <= max(length, 130)
        part.write_text("whole")
    apply_umask([target])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
    folder = tmp_path / ("y" * length)
    for _ in range(2):
        with atomic_folder(folder) as part:
            (part / "z").touch()
    assert sorted(tmp_path.iterdir()) == [target, folder]
    with atomic_files(tmp_path, name="z" * length) as part:
        (part / "files").touch()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "files", target, folder]


def test_names_that_are_not_utf8_are_escaped_in_text(tmp_path):
    target = tmp_path / os.fsdecode(b"caf\xe9.json")
    with atomic_text(target) as file:
        file.write(json.dumps({"file": target.name}, ensure_ascii=False))
    assert json.loads(target.read_text("utf8")) == {"file": target.name}
    assert as_utf8(target.name) == r"caf\udce9.json"


def write_best_weights(folder):
    write_best(folder / "best.safetensors", {"weight": torch.zeros(9999)}, step=1, metrics={})


def write_a_checkpoint(folder):
    write_checkpoint(folder / "step-1", {"weights": {"weight": torch.zeros(9999)}}, {})


def write_text(folder):
    with atomic_text(folder / "x.txt") as file:
        file.write("x" * 9999)


def write_embeddings(folder):
    save_embeddings({"a": np.zeros(9999, np.float32)}, folder / "x.npz")


KILLED = """
import os, sys
from pathlib import Path
from photism.files import atomic_files, atomic_path
target = Path(sys.argv[1])
with atomic_files(target.parent, name="export") as folder, atomic_path(target) as part:
    (folder / "half").touch()
    part.write_text("half")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("name", ["x.json", "x" * 250])
def test_the_file_of_a_killed_process_is_deleted_by_the_next_one(tmp_path, monkeypatch, name):
    monkeypatch.setattr("photism.files._swept", set())  # in which this folder may be, from a test before
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    kept = [
        ".notes.part",
        ".x.json.part",
        ".x.json.12.part",
        ".x.json.00000000-4194303.part",
    ]  # the last: another host's
    for each in kept:
        (tmp_path / each).touch()
    check_writable(tmp_path / "another.json", "-o", force=False)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


DELETED = """
import os, shutil, sys
from pathlib import Path
from photism.files import discard_folder
def rmtree(folder):
    (folder / "settings.json").unlink()
    os.kill(os.getpid(), 9)
shutil.rmtree = rmtree
discard_folder(Path(sys.argv[1]))
"""


def test_a_folder_whose_deletion_is_killed_is_gone_and_deleted_by_the_next_process(tmp_path):
    folder = tmp_path / "film.mp4.part"
    folder.mkdir()
    for name in ("settings.json", "00000000.mp4"):
        (folder / name).touch()
    subprocess.run([sys.executable, "-c", DELETED, str(folder)], check=False)
    assert [path.name for path in tmp_path.rglob("*.mp4")] == ["00000000.mp4"]
    assert not folder.exists()
    with atomic_text(tmp_path / "another.json"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["another.json"]


def test_a_file_of_another_user_that_cannot_be_deleted_is_left(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "x.json")], check=False)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
        sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_of_a_running_process_is_kept(tmp_path):
    with atomic_path(tmp_path / "x.json") as part:
        program = "import sys; from pathlib import Path; from photism.files import sweep; sweep(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
        assert part.exists()


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    check_folder(tmp_path / "new" / "folder", "output")
    with pytest.raises(InputError, match=r"^output: .*/file is not a folder; choose another one$"):
        check_folder(tmp_path / "file" / "new", "output")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write where others may not
    with pytest.raises(InputError, match=f"^output: the folder {tmp_path} is not writable; choose another one$"):
        check_folder(tmp_path / "new" / "folder", "output")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("write", [write_best_weights, write_a_checkpoint, write_text, write_embeddings])
def test_a_full_disk_is_recognised_and_leaves_nothing(tmp_path, little_space, write):
    with pytest.raises(OSError, match="File too large") as caught:
        write(tmp_path)
    assert is_disk_full(caught.value)
    names = ("best.safetensors", "step-1", "x.txt", "x.npz")
    assert caught.value.filename in [str(tmp_path / name) for name in names]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
