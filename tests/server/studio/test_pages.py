"""Routes of the page."""

import re

import pytest

from photism.server.settings import AccessSettings
from photism.server.studio.pages import STATIC, languages


@pytest.fixture(scope="module")
def client(make_client, server_registry):
    return make_client(server_registry)


def version_of(client):
    return re.search(r"studio/files/(\w+)/", client.get("/").text)[1]


def test_the_page_names_files_that_never_expire(client):
    answer = client.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    names = re.findall(r'(?:src|href)="(studio/[^"]+)"', answer.text)
    assert len(names) >= 4
    for name in names:
        file = client.get(f"/{name}")
        assert file.status_code == 200
        assert "immutable" in file.headers["Cache-Control"]


def test_an_unchanged_page_is_not_sent_again(client):
    etag = client.get("/").headers["ETag"]
    answer = client.get("/", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("name", "media_type"), [("scripts/main.js", "text/javascript"), ("icon.svg", "image/svg+xml")]
)
def test_files_have_their_types(client, name, media_type):
    answer = client.get(f"/studio/files/{version_of(client)}/{name}")
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    assert client.head(f"/studio/files/{version_of(client)}/{name}").status_code == 200


def test_a_file_of_another_version_is_not_there(client):
    answer = client.get("/studio/files/0123456789abcdef/scripts/main.js")
    assert answer.status_code == 404
    assert "Reload the page" in answer.json()["remedy"]


@pytest.mark.parametrize(
    "path", ["", "scripts", "scripts/", "../pages.py", "%2e%2e/pages.py", "scripts/../../pages.py", "/etc/passwd"]
)
def test_no_other_file_can_be_named(client, path):
    assert client.get(f"/studio/files/{version_of(client)}/{path}").status_code == 404


def test_every_language_has_its_texts(client):
    for language in languages():
        texts = client.get(f"/studio/languages/{language}.json").json()["texts"]
        assert texts["page.tab.draw"]
    assert client.get("/studio/languages/xx.json").status_code == 404
    assert client.get("/studio/languages/..%2F..%2Fpages.json").status_code == 404


def test_the_context_lists_limits_and_examples(client):
    context = client.get("/studio/context.json").json()
    assert context["limits"]["max_seconds"] == 60
    example = next(each for each in context["examples"] if each["label"] == "elephant")
    assert example["language"] == "en"
    assert client.get(f"/{example['url']}").headers["Content-Type"] == "audio/ogg"
    assert client.get("/studio/examples/..%2Fconfig.json").status_code == 404


def test_scripts_and_styles_need_no_exception_from_the_policy(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    html = (STATIC / "index.html").read_text("utf-8")
    docs = client.get("/docs").text
    assert client.get("/docs/style.css").headers["Content-Type"].startswith("text/css")
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", html + docs) == []


def test_files_of_the_page_are_outside_the_rate_limit_and_inside_the_authentication(make_client, server_registry):
    access = AccessSettings(password="sesame", rate=1)
    client = make_client(server_registry, access=access, peer="192.0.2.1")
    assert client.get("/").status_code == client.get("/studio/context.json").status_code == 401
    client.auth = ("anyone", "sesame")
    assert {client.get("/studio/context.json").status_code for _ in range(20)} == {200}
    assert [client.get("/v1/models").status_code for _ in range(2)] == [200, 429]
