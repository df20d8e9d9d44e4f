"""What a model can draw: the captions of its folder, chosen translations, thumbnails, and models without them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from photism.prompts.caption_catalogue import read_catalogue
from photism.prompts.model_files import CATALOGUE, THUMBNAILS, load_captions
from photism.prompts.settings import PipelineSettings
from photism.server.engine.entries import ModelEntry
from photism.server.engine.registry import ModelRegistry
from photism.server.settings import AddressSettings, LimitSettings


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model folder with captions alone."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "config.json").write_text("{}")
    (folder / "captions.json").write_text('["Rain."]')
    return folder


@pytest.fixture
def registry(plain: Path) -> ModelRegistry:
    return ModelRegistry([ModelEntry("plain", "drawing", PipelineSettings(model=str(plain)))], LimitSettings())


@pytest.fixture
def client(make_client: Callable[..., TestClient], registry: ModelRegistry) -> TestClient:
    return make_client(registry)


def test_the_captions_of_the_bundled_model(client: TestClient, registry: ModelRegistry) -> None:
    found = client.get("/v1/captions?model=tiny").json()
    expected = read_catalogue(None)
    assert found["model"] == "tiny"
    assert found["captions"] == list(expected.captions)
    assert found["translations"] == expected.translations
    assert tuple(found["languages"]) == expected.languages
    assert registry.lanes == {}  # no model was loaded


@pytest.mark.parametrize(
    ("query", "languages"),
    [
        ("language=fr,ru", {"fr", "ru"}),
        ("language=zh-TW", {"zh_CN"}),
        ("language=PT-br", {"pt"}),
        ("language=xx", set[str]()),
    ],
)
def test_translations_are_those_into_the_languages_of_the_request(
    client: TestClient, query: str, languages: set[str]
) -> None:
    assert client.get(f"/v1/captions?model=tiny&{query}").json()["translations"].keys() == languages


def test_a_model_with_captions_alone(client: TestClient) -> None:
    assert client.get("/v1/captions").json() == {
        "model": "plain",
        "captions": ["Rain."],
        "translations": {},
        "languages": None,
        "thumbnails": None,
    }
    problem = client.get("/v1/captions/thumbnails")
    assert (problem.status_code, problem.json()["type"]) == (404, "/problems/file-not-found")


def test_the_thumbnails_are_one_image_below_the_root_path(
    make_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "captions.json").write_text('["Rain.", "Wind.", "Snow."]')
    (tmp_path / CATALOGUE).write_text('{"thumbnails": {"tile_pixels": 4, "columns": 2}}')
    Image.new("RGB", (8, 8)).save(tmp_path / THUMBNAILS)
    entry = ModelEntry("a b", "drawing", PipelineSettings(model=str(tmp_path)))
    client = make_client(ModelRegistry([entry], LimitSettings()), address=AddressSettings(root_path="/art"))
    layout = client.get("/art/v1/captions").json()["thumbnails"]
    assert layout == {"url": "/art/v1/captions/thumbnails?model=a%20b", "tile_pixels": 4, "columns": 2}
    answer = client.get(layout["url"])
    assert answer.headers["content-type"] == "image/webp"
    assert "max-age" in answer.headers["cache-control"]
    assert answer.headers["vary"] == "Accept"
    assert answer.content == (tmp_path / THUMBNAILS).read_bytes()
    assert client.get(layout["url"], headers={"Accept": "image/png"}).status_code == 406


def test_an_unknown_model(client: TestClient) -> None:
    problem = client.get("/v1/captions?model=other").json()
    assert (problem["status"], problem["type"], problem["field"]) == (404, "/problems/model-not-found", "model")


def test_damaged_files_of_a_given_model_stay_in_the_log(
    client: TestClient, plain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "captions.json").write_text(json.dumps([5]))
    problem = client.get("/v1/captions", params={"model": str(tmp_path)}).json()
    assert (problem["status"], problem["type"]) == (422, "/problems/invalid-input")
    monkeypatch.setattr("photism.prompts.caption_catalogue.load_captions", lambda _: load_captions(tmp_path))
    problem = client.get("/v1/captions").json()
    assert (problem["status"], problem["type"]) == (503, "/problems/model-unavailable")
    assert str(plain) not in json.dumps(problem)
