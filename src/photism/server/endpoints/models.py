"""GET /v1/models and /v1/models/{name}: the models that requests can name, as OpenAI's clients list them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from photism.drawing.few_step_pipeline import LCM, has_lcm
from photism.prompts.diffusion.lora_weights import default_weights
from photism.prompts.settings import PipelineSettings
from photism.server.engine.entries import ModelEntry
from photism.server.media_types import JSON
from photism.server.problems import Problem
from photism.server.services import services_of

ENDPOINTS = {
    "drawing": ("/v1/draw", "/v1/film", "/v1/hear", "/v1/live/drawing"),
    "classifier": ("/v1/label",),
    "embedder": ("/v1/embed",),
    "sound": ("/v1/sound", "/v1/audio/speech"),
    "recognizer": ("/v1/transcribe", "/v1/audio/transcriptions", "/v1/live/transcription"),
    "diarizer": ("/v1/speakers/timeline",),
    "xvector": ("/v1/speakers/verify", "/v1/speakers/embed"),
}
"""Endpoints that a model of each kind can be named at. Only a sound model that speaks can be at /v1/audio/speech."""
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
MODEL = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by", "kinds", "endpoints"],
    "properties": {
        "id": {**TEXT, "description": "Name of the model in requests."},
        "object": {"const": "model"},
        "created": {"type": "integer", "description": "Time at which the server was given the model."},
        "owned_by": TEXT,
        "kinds": {**TEXTS, "description": "What the model can be used as."},
        "endpoints": {**TEXTS, "description": "Endpoints at which it can be named."},
        "loras": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": TEXT, "weight": {"type": "number"}}},
            "description": "LoRAs of a model that draws, with the weights that a request may change.",
        },
        "images": {
            "type": "array",
            "items": {"enum": ["image", "mask", "style", "control_image"]},
            "description": "Fields of images that a model that draws takes: style needs an IP-Adapter, control_image a "
            "ControlNet.",
        },
        "live_scheduler": {
            "type": ["string", "null"],
            "description": "Scheduler of /v1/live/drawing: lcm if the folder of the model has an LCM-LoRA that is used "
            "there, otherwise null, for the model's own. Only of models that draw.",
        },
    },
}
"""JSON schema of a model: the fields of OpenAI, and what the model can be used for."""
MODEL_LIST = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": MODEL}},
}

ROUTER = APIRouter(tags=["models"])


def _described(schema: dict[str, Any], description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {JSON: {"schema": schema}}}}


@ROUTER.get(
    "/v1/models",
    summary="List the models",
    responses=_described(MODEL_LIST, "The models. The first one of a kind is its default."),
    response_class=Response,
)
async def list_models(request: Request) -> Response:
    """List the models that requests can name in `model`."""
    entries = services_of(request).registry.entries
    names = dict.fromkeys(entry.name for entry in entries)
    return JSONResponse({"object": "list", "data": [_as_json(name, entries) for name in names]})


@ROUTER.get(
    "/v1/models/{name:path}",
    summary="Describe a model",
    responses=_described(MODEL, "The model."),
    response_class=Response,
)
async def describe_model(name: str, request: Request) -> Response:
    """Return what a model can be used for."""
    entries = services_of(request).registry.entries
    names = [entry.name for entry in entries]
    if name not in names:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "model-not-found",
            f"This server has no model {name!r:.60}.",
            field="model",
            remedy=f"Name one of {', '.join(dict.fromkeys(names))}.",
        )
    return JSONResponse(_as_json(name, entries))


def _about_drawing(settings: PipelineSettings) -> dict[str, Any]:
    """Return the fields of a model that draws."""
    style = ["style"] if settings.ip_adapter is not None else []
    return {
        "loras": [{"name": name, "weight": weight} for name, weight in default_weights(settings).items()],
        "images": ["image", "mask", *style, *(["control_image"] if settings.controlnets else [])],
        "live_scheduler": LCM if has_lcm(settings) else None,
    }


def _as_json(name: str, entries: Sequence[ModelEntry]) -> dict[str, Any]:
    """Return the JSON object of all models of a name."""
    named = [entry for entry in entries if entry.name == name]
    drawing = [entry.settings for entry in named if entry.kind == "drawing"]
    return {
        "id": name,
        "object": "model",
        "created": min(entry.created for entry in named),
        "owned_by": "photism",
        "kinds": [entry.kind for entry in named],
        "endpoints": [endpoint for entry in named for endpoint in ENDPOINTS[entry.kind]],
        **(_about_drawing(drawing[0]) if drawing else {}),
    }
