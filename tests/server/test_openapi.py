"""OpenAPI description: complete, the same for all endpoints, and readable without a network."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from photism.server.engine.registry import ModelRegistry
from photism.server.openapi import operations
from photism.server.settings import AccessSettings, LimitSettings


@pytest.fixture(scope="module")
def client(make_client: Any) -> TestClient:
    return make_client(ModelRegistry((), LimitSettings()))


@pytest.fixture(scope="module")
def description(client: TestClient) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def test_every_operation_is_described(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(set(names)) == len(names)
    for method, path, operation in operations(description):
        assert operation["summary"], path
        assert operation["tags"], path
        described = [tag["name"] for tag in description["tags"]]
        assert set(operation["tags"]) <= set(described), path
        good = [status for status in operation["responses"] if status < "400"]
        assert good, (method, path)


def test_every_problem_has_its_media_type_and_a_busy_server_its_header(description: dict[str, Any]) -> None:
    for _, path, operation in operations(description):
        if path == "/health":
            continue
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
        assert "Retry-After" in operation["responses"]["503"]["headers"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/v1/decode"),
        ("post", "/v1/film"),
        ("get", "/v1/film/{film_id}"),
        ("get", "/v1/film/{film_id}/result"),
        ("get", "/v1/captions/thumbnails"),
        ("get", "/v1/search/recordings/{row_id}"),
    ],
)
def test_endpoints_that_choose_a_media_type_may_have_none(description: dict[str, Any], method: str, path: str) -> None:
    assert "406" in description["paths"][path][method]["responses"]


def test_bodies_are_forms_and_json_with_the_same_fields(description: dict[str, Any]) -> None:
    for _, path, operation in operations(description):
        if "requestBody" not in operation:
            continue
        form, body = (
            operation["requestBody"]["content"][media_type]["schema"]
            for media_type in ("multipart/form-data", "application/json")
        )
        assert form["properties"].keys() == body["properties"].keys(), path
        assert form["additionalProperties"] is body["additionalProperties"] is False


def test_secrets_are_described_where_they_are_demanded(make_client: Any) -> None:
    client = make_client(ModelRegistry((), LimitSettings()), access=AccessSettings(token="secret"))
    described = client.get("/openapi.json", headers={"Authorization": "Bearer secret"}).json()
    security = {path: operation["security"] for _, path, operation in operations(described)}
    assert security.pop("/health") == []
    assert all(each == [{"token": []}, {"password": []}] for each in security.values())


def test_the_page_fetches_nothing_from_elsewhere(client: TestClient, description: dict[str, Any]) -> None:
    response = client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in response.text
    assert not re.findall(r"(?:src|href)=['\"]?(?:https?:)?//(?!127\.0\.0\.1:7860)", response.text)
    for method, path, _ in operations(description):
        assert f"<h2><code>{method} {path}</code></h2>" in response.text


def test_examples_fit_their_schemas(description: dict[str, Any]) -> None:
    validator_for = pytest.importorskip("jsonschema_rs").validator_for  # comes with schemathesis
    for _, path, operation in operations(description):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            validator = validator_for(content["schema"])
            if media_type == "application/json":
                assert not list(validator.iter_errors(content["example"])), path


def test_a_wrong_method_is_answered_with_all_that_there_are(client: TestClient) -> None:
    response = client.put("/v1/film/0")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, GET, HEAD")
    assert response.json()["remedy"] == "Use DELETE, GET, HEAD."
    assert client.put("/docs").headers["allow"] in ("GET", "GET, HEAD")


def test_the_settings_of_websockets_are_described(description: dict[str, Any]) -> None:
    settings = {path: each["settings"]["properties"] for path, each in description["x-websockets"].items()}
    assert settings.keys() == {"/v1/live/transcription", "/v1/live/drawing"}
    assert settings["/v1/live/drawing"]["fps"]["maximum"] == 60
    assert "step" in settings["/v1/live/transcription"]
