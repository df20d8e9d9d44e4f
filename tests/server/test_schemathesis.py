"""Generated requests to every operation of the OpenAPI description, with all checks of schemathesis."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from photism.hub import bundled_model
from photism.server.collection import Collection
from photism.server.engine.registry import ModelRegistry
from tests.server.serving import served

schemathesis = pytest.importorskip("schemathesis")
st = pytest.importorskip("hypothesis").strategies

CONFIG = Path(__file__).parents[2] / "schemathesis.toml"


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out forms in which a list of one item, or none, stands for a value: a form has the same parts for both."""
    del context
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return True
    known = case.operation.definition.raw["requestBody"]["content"][case.media_type]["schema"]["properties"]
    lists = {name for name, value in case.body.items() if isinstance(value, list) and len(value) < 2}
    return all(known.get(name, {}).get("type") == "array" for name in lists)


@schemathesis.check
def refusals_need_words(ctx: Any, response: Any, case: Any) -> None:
    """Check that a problem has words, and that what fits the schema is refused for none of the schema's reasons."""
    del ctx
    if response.status_code < 400 or case.method == "HEAD":
        return
    problem = response.json()
    assert problem["detail"]
    assert "/tmp" not in response.text
    if case.meta is not None and not case.meta.generation.mode.is_negative and response.status_code == 422:
        assert problem["type"] not in ("/problems/unknown-field", "/problems/missing-field", "/problems/invalid-body")
        assert "got null" not in problem["detail"]


@pytest.fixture(scope="module")
def address(server_registry: ModelRegistry, make_client: Any, collection: Path) -> Iterator[str]:
    """Return the address of a running server with models of all kinds and a collection."""
    sizes = {"max_images": 2, "max_megapixels": 0.01, "max_frames": 20, "max_films": 4, "max_upload_mb": 4}
    searched = Collection(str(collection), server_registry)
    with served(
        make_client(server_registry, collection=searched, max_seconds=2, max_long_seconds=4, **sizes).app
    ) as url:
        yield url


@pytest.fixture(scope="module")
def recording() -> bytes:
    """Return a recording, in the place of random bytes, which are none."""
    return (bundled_model() / "examples" / "elephant.en.ogg").read_bytes()


def generate(address: str, recording: bytes, *, config: str, paths: str = "") -> tuple[Counter[str], list[str]]:
    """Send generated requests, and return the number of those that succeed and fail, and what is wrong.

    Args:
        address: of the server.
        recording: a recording.
        config: further lines of the configuration.
        paths: regular expression of the paths to test.

    Returns:
        counts by "POST /v1/label 2xx", and failures of checks.
    """
    from schemathesis.engine import events, from_schema

    schemathesis.openapi.format("binary", st.just(recording))
    schemathesis.openapi.format("byte", st.just(base64.b64encode(recording).decode()))
    config = schemathesis.Config.from_str(f"{CONFIG.read_text()}\n{config}")
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
    if paths:
        schema = schema.include(path_regex=paths)
    cases: Counter[str] = Counter()
    wrong: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for id_, node in event.recorder.cases.items():
                if id_ in event.recorder.interactions and event.recorder.interactions[id_].response is not None:
                    status = event.recorder.interactions[id_].response.status_code
                    cases[f"{node.value.operation.label} {status // 100}xx"] += 1
            for id_, checks in event.recorder.checks.items():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info
                        answer = event.recorder.interactions[id_].response
                        wrong.append(f"{event.recorder.label}: {failure.failure.title} {failure.failure.message}")
                        wrong.append(f"{failure.code_sample[-1000:]}\n{answer and (answer.status_code, answer.text)}")
        elif isinstance(event, events.NonFatalError):
            wrong.append(f"{event.label}: {event.info.format()}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return cases, wrong


def test_generated_requests_to_small_endpoints_find_nothing(address: str, recording: bytes) -> None:
    cases, wrong = generate(
        address, recording, config="[generation]\nmax-examples = 5\n", paths="^/(v1/models|health|metrics)"
    )
    assert not wrong, "\n".join(wrong)
    assert sum(cases.values()) >= 20


@pytest.mark.slow
def test_generated_requests_to_all_endpoints_find_nothing(address: str, recording: bytes) -> None:
    cases, wrong = generate(address, recording, config="[generation]\nmax-examples = 10\n")
    assert not wrong, "\n".join(wrong)
    assert sum(cases.values()) >= 1000, cases
    verbs = ("draw", "film", "hear", "label", "embed", "sound", "decode", "transcribe", "audio/transcriptions")
    verbs += ("search", "speakers/timeline", "speakers/embed", "speakers/verify")
    assert not [verb for verb in verbs if not cases[f"POST /v1/{verb} 2xx"]], cases
    print(sum(cases.values()), cases)
