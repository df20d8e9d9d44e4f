"""GET /v1/captions: what a model can draw, with translations and thumbnails."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.errors import InputError
from photism.server.answers.accept import NOT_ACCEPTABLE, VARY, choose
from photism.server.media_types import JSON, WEBP
from photism.server.problems import Problem
from photism.server.services import services_of

if TYPE_CHECKING:
    from photism.prompts.caption_catalogue import CaptionCatalogue
    from photism.server.engine.entries import ModelEntry

LOGGER = logging.getLogger(__name__)
Model = Annotated[str | None, Query(description="Name of a drawing model. Default: the first one.")]
Language = Annotated[
    str | None,
    Query(
        description="Languages of the translations, separated by commas, such as fr,pt-BR; those that the model lacks "
        "are left out. Default: all."
    ),
]
MAX_AGE_S = 3600
"""Time for which a browser keeps the thumbnails."""
TEXTS = {"type": "array", "items": {"type": "string"}}
SCHEMA = {
    "type": "object",
    "required": ["model", "captions", "translations", "languages", "thumbnails"],
    "properties": {
        "model": {"type": "string"},
        "captions": {**TEXTS, "description": "What the model recognises, in English; empty if it has no list."},
        "translations": {
            "type": "object",
            "description": "For each language the translations of the captions, in their order; null for none.",
            "additionalProperties": {"type": "array", "items": {"type": ["string", "null"]}},
        },
        "languages": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "Languages in which the captions can be spoken; null if the model does not say so.",
        },
        "thumbnails": {
            "type": ["object", "null"],
            "description": "Images of the captions on one sheet, row by row; null if the model has none.",
            "properties": {
                "url": {"type": "string"},
                "tile_pixels": {"type": "integer", "description": "Width and height of an image."},
                "columns": {"type": "integer", "description": "Images in a row."},
            },
        },
    },
}
ROUTER = APIRouter(tags=["models"])


@ROUTER.get(
    "/v1/captions",
    summary="List what a model can draw",
    responses={200: {"description": "The captions.", "content": {JSON: {"schema": SCHEMA}}}},
    response_class=Response,
)
async def list_captions(request: Request, model: Model = None, language: Language = None) -> Response:
    """Return the captions that a drawing model recognises, with their translations, without loading the model."""
    entry = _find(request, model)
    catalogue = await run_in_threadpool(_read, entry)
    thumbnails = None
    if catalogue.thumbnails is not None:
        path = f"{request.scope.get('root_path', '')}/v1/captions/thumbnails"
        thumbnails = {
            "url": f"{path}?model={quote(entry.name, safe='')}",
            "tile_pixels": catalogue.thumbnails.tile_pixels,
            "columns": catalogue.thumbnails.columns,
        }
    return JSONResponse(
        {
            "model": entry.name,
            "captions": catalogue.captions,
            "translations": _chosen(catalogue.translations, language),
            "languages": catalogue.languages,
            "thumbnails": thumbnails,
        }
    )


@ROUTER.get(
    "/v1/captions/thumbnails",
    summary="Images of what a model can draw",
    responses={
        200: {"description": "The sheet.", "content": {WEBP: {"schema": {"type": "string", "format": "binary"}}}},
        **NOT_ACCEPTABLE,
    },
    response_class=Response,
)
async def get_thumbnails(request: Request, model: Model = None) -> Response:
    """Return one sheet with an image of each caption; /v1/captions has its layout."""
    choose(request, (WEBP,))
    entry = _find(request, model)
    catalogue = await run_in_threadpool(_read, entry)
    if catalogue.thumbnails is None:
        detail = f"The model {entry.name} has no thumbnails."
        raise Problem(HTTPStatus.NOT_FOUND, "file-not-found", detail, remedy="See thumbnails of /v1/captions.")
    headers = {"Cache-Control": f"private, max-age={MAX_AGE_S}", **VARY}
    content = await run_in_threadpool(catalogue.thumbnails.path.read_bytes)
    return Response(content, media_type=WEBP, headers=headers)


def _find(request: Request, model: str | None) -> ModelEntry:
    return services_of(request).registry.find("drawing", model, is_local=request.state.is_local)


def _read(entry: ModelEntry) -> CaptionCatalogue:
    """Return the catalogue of a model.

    Raises:
        InputError: it cannot be read, and the request names its folder.
        Problem: the same of a model that the server was started with, whose folders are none of the client's business.
    """
    from photism.prompts.caption_catalogue import read_catalogue

    try:
        return read_catalogue(entry.settings.model)
    except InputError as error:
        if entry.is_folder:
            raise
        LOGGER.error("the captions of model %s cannot be read: %s", entry.name, error)
        detail = f"The captions of the model {entry.name} cannot be read; the server's log says why."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "model-unavailable", detail) from error


def _chosen(translations: Mapping[str, Sequence[str | None]], languages: str | None) -> dict[str, Sequence[str | None]]:
    """Return the translations into languages; the one into "zh_CN" stands for "zh" and "zh-TW" as well."""
    if languages is None:
        return dict(translations)
    primary = {_primary(each) for each in languages.split(",")}
    return {name: texts for name, texts in translations.items() if _primary(name) in primary}


def _primary(language: str) -> str:
    """Return the primary subtag of a language tag."""
    return language.strip().replace("_", "-").partition("-")[0].lower()
