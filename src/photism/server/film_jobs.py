"""Films that are drawn in the background: their progress, their results, and who may see them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from photism.cancellation import cancellable
from photism.drawing.video.settings import FilmSettings
from photism.server.engine.ticket import Cancelled, State, Ticket
from photism.server.media_types import MP4, PNG
from photism.server.problems import Problem

if TYPE_CHECKING:
    from photism.drawing.video.audio_features import MeasuredRecording
    from photism.drawing.video.film import Film
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.kinds import Drawing
    from photism.server.engine.registry import ModelRegistry
    from photism.server.settings import LimitSettings
    from photism.server.storage import Storage

FilmKind: TypeAlias = Literal["film", "preview", "storyboard"]
FilmState: TypeAlias = State | Literal["done", "failed", "cancelled"]
REMEMBERED = 1000
"""Number of expired films that are remembered, to say that they have expired."""


class FilmJob:
    """A film that is drawn, can be drawn further, or is done.

    Args:
        client: key of the client, which alone may see the film.
        entry: model that draws it.
        settings: settings with their images read.
        recordings: recordings in the folder of `target`, the first of which gives the sound of the film.
        target: file of the film, in a folder of its own.
        kind: whether the whole film is drawn, its preview, or a storyboard.
        frames: number of frames that are drawn.
        filename: name of the film for the client.
        about: what a storyboard holds in its file besides its settings.

    Attributes:
        film: what the command line prints of the film, once it is done.
        problem: why it is not done, after it failed or was cancelled.
    """

    def __init__(
        self,
        client: str,
        entry: ModelEntry,
        settings: FilmSettings,
        recordings: Sequence[MeasuredRecording],
        target: Path,
        *,
        kind: FilmKind,
        frames: int,
        filename: str,
        about: Mapping[str, Any],
    ) -> None:
        self.client, self.entry, self.target = client, entry, target
        self.kind, self.frames, self.filename, self._about = kind, frames, filename, about
        self.film: dict[str, Any] | None = None
        self.problem: Problem | None = None
        self.ticket = Ticket(client, is_job=True)
        self.task: asyncio.Task[None] | None = None
        self._settings, self._recordings = settings, list(recordings)
        self._began: tuple[float, int] | None = None

    @property
    def id(self) -> str:
        """Name of the film in addresses, which nobody can guess."""
        return self.target.parent.name

    @property
    def media_type(self) -> str:
        """Media type of the result."""
        return PNG if self.kind == "storyboard" else MP4

    @property
    def is_active(self) -> bool:
        """Whether the film waits or is being drawn."""
        return self.task is not None and not self.task.done()

    @property
    def state(self) -> FilmState:
        """Whether the film waits, is being drawn, or how that ended."""
        if self.is_active:
            return self.ticket.progress.state
        if self.problem is None:
            return "done"
        return "cancelled" if self.problem.name == "cancelled" else "failed"

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds until the film is done, from the frames that were drawn; None before there is one."""
        if not self.is_active or self._began is None:
            return None
        began_at, before = self._began
        drawn = self.ticket.progress.done - before
        if drawn <= 0:
            return None
        return round((time.monotonic() - began_at) / drawn * (self.frames - self.ticket.progress.done), 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the state, the progress and the result for JSON."""
        progress = self.ticket.progress
        return {
            "id": self.id,
            "kind": self.kind,
            "filename": self.filename,
            "state": self.state,
            "position": progress.position if self.state == "queued" else None,
            "frames": self.frames,
            "frames_done": self.frames if self.film is not None else progress.done,
            "remaining_s": self.remaining_s,
            "problem": None if self.problem is None else self.problem.as_dict(),
            "film": self.film,
        }

    def begin(self) -> Ticket:
        """Return a new ticket, with which the film is drawn from its last finished segment on."""
        self.ticket, self.problem, self._began = Ticket(self.client, is_job=True), None, None
        return self.ticket

    def finish(self, film: dict[str, Any]) -> None:
        """Keep the result, and free the recordings and images that it was drawn from."""
        self.film = film
        for each in self._recordings:
            Path(str(each.sound.source)).unlink(missing_ok=True)
        self._settings, self._recordings = FilmSettings(), []

    def draw(self, drawing: Drawing, ticket: Ticket) -> dict[str, Any]:
        """Draw the frames that are missing, and return what the command line prints of the film.

        Raises:
            InputError: the model cannot draw it.
        """
        from photism.drawing.video.film import Film
        from photism.drawing.video.preview import preview_frames
        from photism.drawing.video.resumable_file import write_film

        def report(done: int, total: int) -> None:
            """Report the frames that are done, and let requests that wait use the model."""
            if self._began is None:
                self._began = time.monotonic(), done
            ticket.report(done, total)
            ticket.give_way()

        recording, others = self._recordings[0], self._recordings[1:]
        with cancellable(ticket.give_way):  # while recordings of up to an hour are read
            film = Film(drawing.pipeline.for_task(self._settings.task), recording, self._settings, others)
        if self.kind == "storyboard":
            self._draw_storyboard(film, report)
            return film.as_dict()
        frames = preview_frames(film) if self.kind == "preview" else None
        write_film(film, self.target, frames=frames, callback_on_frame=report)
        start = {} if frames is None else {"start_s": float(frames.start / film.settings.frame_rate)}
        return {**film.as_dict(), "frames": self.frames, **start}

    def _draw_storyboard(self, film: Film, report: Callable[[int, int], None]) -> None:
        """Draw the frames of a storyboard on one sheet, a PNG file."""
        from photism.drawing.metadata import write_png
        from photism.drawing.video.fingerprint import describe_settings
        from photism.drawing.video.storyboard import storyboard

        report(0, self.frames)
        sheet = storyboard(film, self.frames, callback_on_frame=report)
        write_png(sheet, self.target, {**describe_settings(film.settings), **self._about})


class FilmJobs:
    """The films of all clients. Its methods are called in the event loop.

    Args:
        registry: models that draw them.
        storage: where they are written and kept.
        limits: limits of a client's films.
    """

    def __init__(self, registry: ModelRegistry, storage: Storage, limits: LimitSettings) -> None:
        self._registry, self._storage, self._limits = registry, storage, limits
        self._jobs: dict[str, FilmJob] = {}
        self._places: Counter[str] = Counter()  # of films whose requests are being read
        self._expired: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)

    @contextmanager
    def place(self, client: str) -> Generator[None]:
        """Keep a place for another film of a client as long as the block lasts.

        Raises:
            Problem: it has too many.
        """
        self._forget_expired()
        most = self._limits.max_films
        if self._places[client] + sum(job.client == client for job in self._jobs.values()) >= most:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-films",
                f"You have {most} films, and no client may have more.",
                allowed=f"at most {most}",
                remedy=f"Delete one, or wait up to {self._limits.keep:g} minutes until one expires.",
                headers={"Retry-After": "60"},
            )
        self._places[client] += 1
        try:
            yield
        finally:
            self._places[client] -= 1
            self._places += Counter()  # without the clients that have none

    async def start(self, job: FilmJob, problem_for: Callable[[Exception], Problem]) -> None:
        """Draw a film, or what is missing of it, in the background.

        Args:
            job: the film.
            problem_for: returns the problem for an error of the drawing.

        Raises:
            Problem: too many films wait.
        """
        ticket = job.begin()
        self._jobs[job.id] = job
        job.task = asyncio.ensure_future(self._run(job, ticket, problem_for))
        await asyncio.sleep(0)  # the film is queued, or refused
        if not job.is_active and job.problem is not None:
            raise job.problem

    def find(self, client: str, film_id: str) -> FilmJob:
        """Return a film of a client.

        Raises:
            Problem: 404, there is none; 410, it has expired.
        """
        self._forget_expired()
        job = self._jobs.get(film_id)
        if job is not None and job.client == client:
            return job
        if (client, film_id) in self._expired:
            detail = f"The film was deleted, as results are kept for {self._limits.keep:g} minutes."
            raise Problem(HTTPStatus.GONE, "expired", detail, remedy="Draw it again.")
        raise Problem(HTTPStatus.NOT_FOUND, "film-not-found", "You have no film with this id.")

    def remove(self, job: FilmJob) -> None:
        """Cancel a film, and remove it as soon as it ends."""
        self._jobs.pop(job.id, None)
        if job.task is None or job.task.done():
            self._storage.discard(job.target)
        else:
            job.task.add_done_callback(lambda _: self._storage.discard(job.target))
            job.ticket.cancel()

    async def _run(self, job: FilmJob, ticket: Ticket, problem_for: Callable[[Exception], Problem]) -> None:
        """Draw a film and keep how that ended."""
        with self._storage.in_use(job.target):
            try:
                job.finish(await self._registry.run(job.entry, job.draw, ticket))
            except (Cancelled, asyncio.CancelledError) as error:
                detail = "The film was cancelled before it was done."
                job.problem = Problem(HTTPStatus.CONFLICT, "cancelled", detail, remedy="Resume it, or delete it.")
                if isinstance(error, asyncio.CancelledError):  # the server ends
                    raise
            except Exception as error:
                job.problem = problem_for(error)

    def _forget_expired(self) -> None:
        """Forget films whose files were removed, since they were kept for long enough."""
        for job in [job for job in self._jobs.values() if not (job.is_active or job.target.parent.is_dir())]:
            del self._jobs[job.id]
            self._expired.append((job.client, job.id))
