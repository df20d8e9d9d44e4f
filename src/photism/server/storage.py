"""Private temporary folder of a server: uploads, and results that expire.

TMPDIR/photism-server-XXXXXXXX/   mode 700, with an unpredictable name, locked as long as the server lives
    uploads/                      files of requests that are being answered
    results/TOKEN/result.mp4      a folder for each result
    removed/                      what is being removed
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from photism.errors import InputError

if sys.platform != "win32":
    import fcntl

PREFIX = "photism-server-"
MAX_KEPT_BYTES = 4 << 30
REMOVALS = 3  # attempts, since a thread that is still being cancelled may write a file meanwhile
SWEEP_S = 15.0  # how late an expired file may be removed


class Storage:
    """Private folder of one server, removed by `close`.

    The folder of a server that was killed is removed when the next server of the same account starts. Nobody else can
    prepare a file or a link in it, since its name cannot be guessed and only its owner may enter it.

    Attributes:
        folder: the private folder, mode 700 whatever the umask is.
        uploads: folder of files that belong to one request, which removes them itself.
        results: folder of results, which are removed after they were kept for some time.
    """

    def __init__(self, *, keep_s: float, max_kept_bytes: int = MAX_KEPT_BYTES, parent: Path | None = None) -> None:
        """Create the folder, and remove those of killed servers.

        Args:
            keep_s: seconds for which results are kept after their last change.
            max_kept_bytes: size of all kept files together; beyond it the oldest are removed before their time.
            parent: folder in which to create it, by default the temporary folder of the system.

        Raises:
            InputError: the folder cannot be created.
        """
        self.keep_s, self.max_kept_bytes = keep_s, max_kept_bytes
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        _remove_abandoned(parent)
        self.folder, self._lock = _create_locked(parent)
        self.uploads, self.results = self.folder / "uploads", self.folder / "results"
        self._removed = self.folder / "removed"
        for each in (self.uploads, self.results, self._removed):
            _create_private(each)
        self._in_use: Counter[Path] = Counter()
        self._guard = threading.Lock()
        self._closing = threading.Event()
        threading.Thread(target=self._sweep_until_closed, name="photism-storage", daemon=True).start()

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with everything in it. Calling it again does nothing."""
        self._closing.set()
        for _ in range(REMOVALS):
            if self.folder.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
        lock, self._lock = self._lock, None  # at once: the thread that ends the process may close it meanwhile
        if lock is not None:
            os.close(lock)

    def new_upload(self) -> Path:
        """Create an empty file, mode 600, for a file of a request."""
        path = self.uploads / secrets.token_hex(16)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.chmod(0o600)  # whatever the umask is
        return path

    def new_result(self, suffix: str) -> Path:
        """Return the path of a file to be written, alone in a new folder in which a writer may store parts of it.

        Args:
            suffix: end of the file's name, such as ".mp4".
        """
        folder = self.results / secrets.token_hex(16)
        _create_private(folder)
        return folder / f"result{suffix}"

    @contextmanager
    def in_use(self, result: Path) -> Generator[None]:
        """Keep a result as long as the block lasts, however long nothing is written to it.

        Args:
            result: a path from `new_result`.
        """
        folder = result.parent
        with self._guard:
            self._in_use[folder] += 1
        try:
            yield
        finally:
            with self._guard:
                if folder.is_dir():
                    os.utime(folder)  # its time begins again
                self._in_use[folder] -= 1
                if not self._in_use[folder]:
                    del self._in_use[folder]

    def discard(self, result: Path) -> None:
        """Take a result away now, used or not. The next sweep frees its space, as that may take long."""
        with self._guard:
            self._set_aside(result.parent)

    def sweep(self) -> None:
        """Remove what has expired, and then the oldest until the rest has at most `max_kept_bytes`.

        The server calls it every few seconds. Only what is quick happens under the lock that requests wait for.
        """
        measured = sorted((*_last_change_and_size(entry), entry) for entry in self.results.iterdir())
        now, total = time.time(), sum(size for _, size, _ in measured)
        for changed, size, entry in measured:
            if (now - changed >= self.keep_s or total > self.max_kept_bytes) and self._expire(entry, changed):
                total -= size
        for entry in self._removed.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _expire(self, entry: Path, changed: float) -> bool:
        """Set an entry aside if it is not in use and was not since it was measured, and return whether it was."""
        with self._guard, suppress(FileNotFoundError):  # its request has just removed it
            if entry not in self._in_use and entry.lstat().st_mtime <= changed:
                return self._set_aside(entry)
        return False

    def _set_aside(self, entry: Path) -> bool:
        """Move an entry to where nobody finds it, and return whether it was there."""
        try:
            entry.rename(self._removed / secrets.token_hex(16))
        except OSError:  # it was removed; on Windows, it is also open
            return False
        return True

    def _sweep_until_closed(self) -> None:
        while not self._closing.wait(min(SWEEP_S, max(self.keep_s / 4, 0.1))):
            try:
                self.sweep()
            except OSError:  # such as a file that its request removed meanwhile: the next sweep sees the rest
                continue


def _create_private(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)  # whatever the umask is


def _create_locked(parent: Path) -> tuple[Path, int | None]:
    """Create a folder of mode 700, and return it with a descriptor that locks it until it is closed.

    Windows has no such locks: there the descriptor is None, and the folder of a killed server stays.
    """
    while True:
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            reason = f"no temporary folder can be created in {parent} ({error.strerror})"
            raise InputError(f"{reason}; set TMPDIR to a folder that is writable") from None
        folder.chmod(0o700)
        if sys.platform == "win32":
            return folder, None
        lock = _lock(folder)
        if lock is not None:
            if folder.exists():
                return folder, lock
            os.close(lock)
        # Another server that started took the folder for one that was left, before it was locked.


def _remove_abandoned(parent: Path) -> None:
    """Remove folders of this account whose server does not live any more."""
    for folder in parent.glob(f"{PREFIX}*"):
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder of this account, and return the descriptor that holds the lock, or None if that is not possible.

    The kernel releases the lock when the process ends, however it ends.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it was removed, or is a link, or of another account
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:  # its server lives
        pass
    os.close(descriptor)
    return None


def _last_change_and_size(entry: Path) -> tuple[float, int]:
    """Return when anything in a file or folder was last changed, in seconds since the epoch, and its size in bytes."""
    changed, size = 0.0, 0
    for path in (entry, *entry.rglob("*")):
        try:
            status = path.lstat()
        except FileNotFoundError:  # its request has just removed it
            continue
        changed, size = max(changed, status.st_mtime), size + status.st_size
    return changed, size
