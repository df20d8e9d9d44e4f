"""The list of models: at which endpoints each kind is said to be used, compared with what the endpoints find."""

from collections.abc import Callable

from fastapi.testclient import TestClient

from photism.server.endpoints.models import ENDPOINTS
from photism.server.engine.registry import ModelRegistry
from photism.server.media_types import JSON
from photism.server.settings import LimitSettings


def test_each_endpoint_finds_the_kind_that_it_is_listed_with(make_client: Callable[..., TestClient]) -> None:
    client = make_client(ModelRegistry((), LimitSettings()))
    found = set()
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        if JSON in content and "model" in content[JSON]["schema"]["properties"]:
            problem = client.post(path, json=content[JSON]["example"] | {"model": "missing"}).json()
            assert problem["type"] == "/problems/model-not-found", problem
            found |= {(kind, path) for kind in ENDPOINTS if f"no {kind} model" in problem["detail"]}
    assert found == {(kind, path) for kind, paths in ENDPOINTS.items() for path in paths if "/live/" not in path}


def test_a_model_that_draws_says_how_it_draws_live(client) -> None:
    schedulers = {each["id"]: each.get("live_scheduler", "none") for each in client.get("/v1/models").json()["data"]}
    assert (schedulers["tiny"], schedulers["tiny-languages"]) == ("lcm", "none")
