"""Texts of the page: every language has every text, with the same placeholders, and every field on the page."""

import json
import re

import pytest

from photism.server.studio.pages import LANGUAGES, STATIC, languages

AREAS = sorted(path.stem for path in (LANGUAGES / "en").glob("*.json"))
ENDPOINTS = {
    "/v1/draw": set(),
    "/v1/film": set(),
    "/v1/hear": set(),
    "/v1/label": set(),
    "/v1/transcribe": set(),
    "/v1/search": set(),
    "/v1/sound": {"response_format"},
    "/v1/speakers/timeline": set(),
    "/v1/speakers/verify": {"embedding"},
    "/v1/live/drawing": {"sampling_rate", "hop", "image_format"},
}
"""Endpoints whose fields are on the page, each with the fields that are not."""
NOT_SHOWN = {"file", "model"}
SCRIPTS = "".join(path.read_text("utf-8") for path in (STATIC / "scripts").rglob("*.js"))
PLURALS = {"zero", "one", "two", "few", "many", "other"}


def texts(language, area):
    path = LANGUAGES / language / f"{area}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def without_plurals(keys):
    """Return keys with their plural forms, of which a language has as many as it needs, under one name."""
    return {key.rpartition(".")[0] if key.rpartition(".")[2] in PLURALS else key for key in keys}


def placeholders(text):
    return set(re.findall(r"\{(\w+)\}", text)) - {"count"}  # which a singular may spell out


def fields_of(description, path):
    """Return the schemas of the fields of an endpoint or a WebSocket."""
    if path in description["x-websockets"]:
        return description["x-websockets"][path]["settings"]["properties"]
    return description["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]


def described(client):
    """Return the English names and descriptions of all fields on the page, and what is chosen from."""
    description = client.get("/openapi.json").json()
    names, choices = set(), set()
    for path, hidden in ENDPOINTS.items():
        for name, schema in fields_of(description, path).items():
            if name not in NOT_SHOWN | hidden:
                names |= {name.replace("_", " ").capitalize(), schema["description"]}
                choices |= set(schema.get("enum", ()))
    return names | choices


@pytest.mark.parametrize("language", languages())
def test_every_field_on_the_page_has_words_for_visitors(make_client, server_registry, language):
    wanted, found = described(make_client(server_registry)), set(texts(language, "settings"))
    own = {each for each in found if each.startswith("/v1/")}  # names of a field at one endpoint
    assert (sorted(wanted - found), sorted(found - wanted - own - {"Model"})) == ([], [])  # missing, stale


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("area", AREAS)
def test_every_language_has_every_text(language, area):
    english, own = texts("en", area), texts(language, area)
    assert without_plurals(own) == without_plurals(english)
    assert [key for key, text in own.items() if not text.strip()] == []
    for key in english.keys() & own.keys():
        assert placeholders(own[key]) == placeholders(english[key]) or area == "settings", key


def test_every_text_that_a_script_names_exists():
    keys = {key for area in AREAS for key in texts("en", area)}
    named = set(re.findall(r'(?:\bt\(|"data-t(?:-\w+)?": )"([\w.-]+)"', SCRIPTS))
    html = (STATIC / "index.html").read_text("utf-8")
    named |= set(re.findall(r'data-t(?:-\w+)?="([\w.-]+)"', html))
    assert sorted(named - without_plurals(keys) - keys) == []
