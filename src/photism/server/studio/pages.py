"""Routes of the page: its HTML, its scripts and styles, its texts, and the example recordings.

GET /                                   the page
GET /studio/files/VERSION/PATH          a static file; VERSION changes when any of them does, and nothing expires
GET /studio/languages/LANGUAGE.json     all texts of the page in a language
GET /studio/context.json                what the page must know of the server
GET /studio/examples/NAME               an example recording
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from http import HTTPStatus
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from photism import __version__
from photism.errors import InputError
from photism.hub import bundled_model
from photism.server.media_types import JSON
from photism.server.problems import Problem
from photism.server.services import services_of

STATIC = Path(__file__).parent / "static"
LANGUAGES = STATIC / "languages"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": JSON}
"""Media types of the static files: those that the system would guess depend on its settings."""
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
"""For files whose address changes with their content."""
REVALIDATE = {"Cache-Control": "no-cache"}
"""For files that may have changed when the server was upgraded: a browser asks with the ETag that it has."""

ROUTER = APIRouter(include_in_schema=False)


@ROUTER.get("/")
async def show_page(request: Request) -> Response:
    """Return the page, which names the current version of its files, and begin to load the model that it draws with."""
    if request.method == "GET":
        services_of(request).registry.preload("drawing")
    return _revalidated(request, HTMLResponse(_html()))


@ROUTER.get("/studio/files/{version}/{path:path}")
async def get_file(version: str, path: str) -> Response:
    """Return a static file of the current version: a page that mixed files of two versions would fail."""
    if version != files_version():
        raise _file_not_found("Reload the page: the server has been upgraded.")
    content = _static_files().get(path)
    if content is None:
        raise _file_not_found("GET / names the files of the page.")
    return Response(content, media_type=MEDIA_TYPES[PurePosixPath(path).suffix], headers=FOREVER)


@ROUTER.get("/studio/languages/{language}.json")
async def get_language(language: str, request: Request) -> Response:
    """Return all texts of a language, and translations of the descriptions of settings."""
    if language not in languages():
        raise _file_not_found(f"The page has {', '.join(languages())}.")
    return _revalidated(request, JSONResponse(read_texts(language)))


@ROUTER.get("/studio/context.json")
async def get_context(request: Request) -> Response:
    """Return what the page must know of the server."""
    return JSONResponse(page_context(request), headers={"Cache-Control": "no-store"})


@ROUTER.get("/studio/examples/{name}")
async def get_example(name: str) -> Response:
    """Return an example recording."""
    path = _examples().get(name)
    if path is None:
        raise _file_not_found("GET /studio/context.json lists the examples.")
    return FileResponse(path, media_type=guess_type(name)[0] or "audio/ogg", headers=REVALIDATE)


def page_context(request: Request) -> dict[str, Any]:
    """Return the version, the limits and the examples of the server, and what it offers besides models."""
    services = services_of(request)
    limits = services.limits
    return {
        "version": __version__,
        "languages": languages(),
        "limits": {
            "max_upload_mb": limits.max_upload_mb,
            "max_seconds": limits.max_seconds,
            "max_long_seconds": limits.max_long_seconds,
            "max_images": limits.max_images,
            "max_films": limits.max_films,
            "keep_minutes": limits.keep,
        },
        "examples": [_described(path) for path in _examples().values()],
        "collection": services.collection is not None,
    }


def languages() -> list[str]:
    """Return the languages of the page: English, and then the others by their codes."""
    return sorted((each.name for each in LANGUAGES.iterdir() if each.is_dir()), key=lambda name: (name != "en", name))


def read_texts(language: str) -> dict[str, dict[str, str]]:
    """Return the texts of the page in a language, those in English where it has none, and those of settings.

    Returns:
        `texts`, by their keys, and `settings`: translations by English names and descriptions of fields.
    """
    texts: dict[str, str] = {}
    for folder in dict.fromkeys(("en", language)):
        for path in sorted((LANGUAGES / folder).glob("*.json")):
            if path.stem != "settings":
                texts |= json.loads(path.read_text("utf-8"))
    settings = LANGUAGES / language / "settings.json"
    return {"texts": texts, "settings": json.loads(settings.read_text("utf-8")) if settings.exists() else {}}


@cache
def files_version() -> str:
    """Return a digest of the page and of all its static files."""
    digest = hashlib.blake2s(__version__.encode(), digest_size=8)
    digest.update((STATIC / "index.html").read_bytes())
    for name, content in _static_files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@cache
def _html() -> str:
    """Return the page, which names the version of its files."""
    return (STATIC / "index.html").read_text("utf-8").replace("{version}", files_version())


@cache
def _static_files() -> dict[str, bytes]:
    """Return the files that the page may request, by their paths: no other path can name a file.

    They are read once, less than a megabyte: a page needs about a hundred of them, and files that an upgrade replaces
    while the server runs do not mix with those that a browser has.
    """
    found = sorted(path for path in STATIC.rglob("*") if path.suffix in MEDIA_TYPES and path.is_file())
    return {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in found}


@cache
def _examples() -> dict[str, Path]:
    """Return the bundled example recordings by their names; none if they are not installed."""
    try:
        folder = bundled_model() / "examples"
    except InputError:
        return {}
    return {path.name: path for path in sorted(folder.glob("*.ogg"))}


def _described(path: Path) -> dict[str, str]:
    """Return what the page shows of an example, which is named after its word and its language: elephant.en.ogg."""
    label, _, language = path.stem.partition(".")
    return {"name": path.name, "url": f"studio/examples/{path.name}", "label": label, "language": language}


def _revalidated(request: Request, response: Response) -> Response:
    """Return an answer with an ETag, or that the browser has it already."""
    etag = f'"{hashlib.blake2s(bytes(response.body), digest_size=8).hexdigest()}"'
    headers = {**REVALIDATE, "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response


def _file_not_found(remedy: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "file-not-found", "There is no such file.", remedy=remedy)
