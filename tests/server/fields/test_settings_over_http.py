"""Settings that requests may have: those of the command line, without files and the settings of the machine."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.audioldm2.settings import parse_span
from photism.drawing.live.settings import LiveSettings
from photism.drawing.negative_prompt import parse_negative_words
from photism.drawing.settings import one_or_list, parse_lora_weights, parse_scales
from photism.drawing.video.settings import ExcerptSettings, read_frame_rate
from photism.prompts.text_place import read_text_place
from photism.server import endpoints
from photism.server.endpoints import live_drawing
from photism.server.fields.body import RequestBody
from photism.settings import declarations

BODIES = [
    value
    for module in iter_modules(endpoints.__path__, f"{endpoints.__name__}.")
    for value in vars(import_module(module.name)).values()
    if isinstance(value, RequestBody)
]
KINDS = sorted({kind for body in BODIES for kind in body.kinds}, key=lambda kind: kind.__name__)
NOT_FIELDS = {
    "allow_private_urls": "a server reaches no private address for a visitor",
    "batch_size": "the memory of the machine",
    "calibration": "a file of the server",
    "enrolled": "a file of the server",
    "language_model": "a file of the server",
    "moments": "a table that names files",
    "num_workers": "the threads of the machine",
}
"""Flags that are no fields, and why."""
NOT_OF_KIND: dict[type, set[str]] = {
    ExcerptSettings: {"storyboard"},  # whose file the command names; a request has a field of its own
    LiveSettings: set(live_drawing.WITHOUT),  # images of a live connection, which is one JSON message
}
ONLY_FIELDS = {
    "sampling_rate": "of raw samples over a WebSocket; the command line has --raw",
    "lora_weights": "of LoRAs that a server was started with; the command line loads them with their weights",
    "preview_steps": "of events; the command line has nowhere to show a preview",
}
OPEN_NO_FILE = {
    one_or_list,
    parse_lora_weights,
    parse_negative_words,
    parse_scales,
    parse_span,
    read_frame_rate,
    read_text_place,
    declarations(ReadingSettings)["track"].parse,
}
"""Functions that turn the text of a request into a value: each was read, and opens no file and no address."""


def fields_of(kind: type) -> dict[str, Any]:
    """Return the declarations of a class that requests may have, by the names of settings."""
    found = (body.fields.fields.values() for body in BODIES if kind in body.kinds)
    return {field.setting: field.declaration for fields in found for field in fields if field.kind is kind}


def test_bodies_are_found() -> None:
    assert len(BODIES) >= 8


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_fields_are_the_flags_without_those_that_are_listed(kind: type) -> None:
    flags = {name for name, declared in declarations(kind).items() if declared.is_flag}
    fields = fields_of(kind).keys()
    assert flags - fields <= NOT_FIELDS.keys() | NOT_OF_KIND.get(kind, set()), kind
    assert fields - flags <= ONLY_FIELDS.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_field_is_a_path(kind: type) -> None:
    types = get_type_hints(kind)
    for name, declared in fields_of(kind).items():
        options = get_args(types[name]) if get_origin(types[name]) in (UnionType, Union) else (types[name],)
        if declared.file is None:
            assert Path not in options, name
            assert Any not in options or declared.parse_field is not None, name
        assert (declared.parse_field or declared.parse or one_or_list) in OPEN_NO_FILE, name


def test_every_declared_file_is_an_upload() -> None:
    for body in BODIES:
        form, coded = (body.fields.schema(is_form=is_form)["properties"] for is_form in (True, False))
        for name, field in body.fields.fields.items():
            if field.declaration.file is not None:
                assert "binary" in str(form[name]), name
                assert "base64" in str(coded[name]), name
