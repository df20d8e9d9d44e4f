"""The private folder of a server: modes, expiry, and removal after every kind of end."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from photism import InputError
from photism.server import storage as module
from photism.server.storage import PREFIX, Storage

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and locks are those of POSIX")


@pytest.fixture
def storage(tmp_path):
    with Storage(keep_s=60, parent=tmp_path) as opened:
        yield opened


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def age(path: Path, seconds: float) -> None:
    """Set back when a file or folder, with all that is in it, was changed."""
    for each in (path, *path.rglob("*")):
        changed = each.stat().st_mtime - seconds
        os.utime(each, (changed, changed))


def write(path: Path, size: int = 10) -> Path:
    path.write_bytes(bytes(size))
    return path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_nobody_else_can_enter_or_read(tmp_path, umask):
    before = os.umask(umask)
    try:
        with Storage(keep_s=60, parent=tmp_path) as storage:
            folders = [storage.folder, storage.uploads, storage.results]
            folders.append(storage.new_result(".mp4").parent)
            assert {mode(each) for each in folders} == {0o700}
            assert mode(storage.new_upload()) == 0o600
    finally:
        os.umask(before)


def test_names_are_never_the_same(storage):
    names = {storage.new_upload().name for _ in range(20)} | {storage.new_result(".wav").parent.name for _ in range(20)}
    assert len(names) == 40
    assert min(map(len, names)) == 32


def test_it_is_removed_at_the_end(tmp_path):
    with Storage(keep_s=60, parent=tmp_path) as storage:
        write(storage.new_result(".mp4"))
        write(storage.new_upload())
    assert list(tmp_path.iterdir()) == []
    storage.close()


def test_it_lies_in_the_temporary_folder_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Storage(keep_s=60) as storage:
        assert storage.folder.parent == tmp_path


def test_results_expire_after_their_last_change(storage):
    old, newer, written = (write(storage.new_result(".mp4")) for _ in range(3))
    for each, seconds in ((old, 61), (newer, 59), (written, 61)):
        age(each.parent, seconds)
    write(written.parent / "00000007.mp4")
    storage.sweep()
    assert [each.exists() for each in (old, newer, written)] == [False, True, True]
    assert not old.parent.exists()
    age(newer.parent, 2)
    storage.sweep()
    assert not newer.exists()


def test_a_result_in_use_does_not_expire_and_has_its_whole_time_afterwards(storage):
    result = write(storage.new_result(".mp4"))
    with storage.in_use(result):
        with storage.in_use(result):
            age(result.parent, 1000)
        age(result.parent, 1000)
        storage.sweep()
        assert result.exists()
    storage.sweep()
    assert result.exists()
    age(result.parent, 61)
    storage.sweep()
    assert not result.exists()


def test_results_expire_and_uploads_do_not(storage):
    upload, result = storage.new_upload(), write(storage.new_result(".png"))
    for each in (upload, result.parent):
        age(each, 61)
    storage.sweep()
    assert [each.exists() for each in (upload, result)] == [True, False]


def test_the_oldest_make_room(tmp_path):
    with Storage(keep_s=1000, max_kept_bytes=30_000, parent=tmp_path) as storage:
        results = [write(storage.new_result(".mp4"), 20_000) for _ in range(3)]
        for minutes, each in zip((3, 1, 2), results, strict=True):
            age(each.parent, 60 * minutes)
        with storage.in_use(results[0]):
            age(results[0].parent, 500)
            storage.sweep()
            assert [each.exists() for each in results] == [True, False, False]


def test_a_result_is_discarded(storage):
    result = write(storage.new_result(".mp4"))
    storage.discard(result)
    storage.discard(result)
    assert list(storage.results.iterdir()) == []
    with storage.in_use(result):
        pass


def test_requests_do_not_wait_while_a_result_of_gigabytes_is_removed(storage, monkeypatch):
    old, other = (write(storage.new_result(".mp4")) for _ in range(2))
    age(old.parent, 61)
    removing, go_on, remove = Event(), Event(), shutil.rmtree

    def remove_slowly(folder, **options):
        removing.set()
        assert go_on.wait(10)
        remove(folder, **options)

    def use_and_discard():
        with storage.in_use(other):
            pass
        storage.discard(other)

    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as threads:
        patched.setattr(shutil, "rmtree", remove_slowly)
        sweeping = threads.submit(storage.sweep)
        assert removing.wait(10)
        try:
            threads.submit(use_and_discard).result(5)
            assert list(storage.results.iterdir()) == []
        finally:
            go_on.set()
        sweeping.result(10)


def test_a_result_that_was_used_since_the_sweep_measured_it_stays(storage, monkeypatch):
    result = write(storage.new_result(".mp4"))
    age(result.parent, 61)
    measure = module._last_change_and_size

    def measure_then_use(entry):
        measured = measure(entry)
        with storage.in_use(result):
            return measured

    monkeypatch.setattr(module, "_last_change_and_size", measure_then_use)
    storage.sweep()
    assert result.exists()


def test_links_are_removed_and_never_followed(storage, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    kept = write(outside / "kept")
    (storage.results / "link").symlink_to(outside)
    storage.keep_s = -1.0
    storage.sweep()
    assert kept.exists()
    assert list(storage.results.iterdir()) == []


SERVER = """
import sys
from pathlib import Path
from photism.server.storage import Storage
with Storage(keep_s=60, parent=Path(sys.argv[1])) as storage:
    storage.new_upload().write_bytes(b"private")
    print(storage.folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_server_left_is_removed_by_the_next_and_nothing_else(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        left = Path(process.stdout.readline().strip())
        target = tmp_path / "target"
        target.mkdir()
        kept = write(target / "kept")
        (tmp_path / f"{PREFIX}link").symlink_to(target)
        file = write(tmp_path / f"{PREFIX}file")
        with Storage(keep_s=60, parent=tmp_path) as living:
            assert left.is_dir()
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert left.is_dir()
            with Storage(keep_s=60, parent=tmp_path):
                assert not left.exists()
                assert living.uploads.is_dir()
        process.stdin.close()
    assert kept.exists()
    assert file.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_account_is_left_alone(tmp_path):
    other = tmp_path / f"{PREFIX}other"
    other.mkdir(mode=0o700)
    os.chown(other, 65534, 65534)
    with Storage(keep_s=60, parent=tmp_path):
        assert other.is_dir()


def test_a_folder_that_is_removed_before_it_is_locked_is_replaced(tmp_path, monkeypatch):
    create, created = tempfile.mkdtemp, []

    def create_and_record(**options: object) -> str:
        folder = create(**options)
        created.append(folder)
        return folder

    def lose_first(folder: Path, mode: int) -> None:
        chmod(folder, mode)
        if str(folder) == created[0] and len(created) == 1:
            folder.rmdir()

    chmod = Path.chmod
    monkeypatch.setattr(tempfile, "mkdtemp", create_and_record)
    monkeypatch.setattr(Path, "chmod", lose_first)
    with Storage(keep_s=60, parent=tmp_path) as storage:
        assert str(storage.folder) == created[1]


def test_without_a_writable_folder_the_error_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"no temporary folder can be created in .*missing .*; set TMPDIR to a folder"):
        Storage(keep_s=60, parent=tmp_path / "missing")


def test_two_threads_may_close_it_at_once(storage, monkeypatch):
    close, closed = os.close, []

    def close_and_meet_the_other(descriptor: int) -> None:
        closed.append(descriptor)
        if len(closed) == 1:
            storage.close()
        close(descriptor)

    shutil.rmtree(storage.folder)  # so that nothing but the lock is closed
    monkeypatch.setattr(os, "close", close_and_meet_the_other)
    storage.close()
    assert len(closed) == 1
