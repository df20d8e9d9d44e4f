"""The media type of an answer, by the Accept header."""

import pytest
from fastapi import Request

from photism.server.answers.accept import choose
from photism.server.media_types import EVENT_STREAM, JSON, PNG
from photism.server.problems import Problem

OFFERED = (PNG, JSON, EVENT_STREAM)


def request_with(*accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", each.encode()) for each in accept]})


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ((), PNG),
        (("*/*",), PNG),
        (("",), PNG),
        (("application/json",), JSON),
        (("text/html, application/json;q=0.9, */*;q=0.8",), JSON),
        (("image/*;q=0.2, text/*",), EVENT_STREAM),
        (("text/html", "application/json"), JSON),
        (("IMAGE/PNG; q=0, */*",), JSON),
        (("application/json;q=0.5, image/png;q=0.5",), PNG),  # equal: what is offered first
        (("application/json; charset=utf-8; q=0.7, image/png; q=0.1",), JSON),
    ],
)
def test_the_media_type_with_the_highest_quality_is_chosen(accept: tuple[str, ...], chosen: str) -> None:
    assert choose(request_with(*accept), OFFERED) == chosen


@pytest.mark.parametrize("accept", ["audio/wav", "image/jpeg, text/html", "*/*;q=0", "nonsense", "*/*;q=2", "*/*;q=x"])
def test_nothing_acceptable_is_a_problem_that_names_what_is_offered(accept: str) -> None:
    with pytest.raises(Problem) as caught:
        choose(request_with(accept), OFFERED)
    problem = caught.value
    assert problem.status == 406
    assert problem.allowed == "image/png, application/json, text/event-stream"
    assert "image/png, application/json, text/event-stream" in problem.detail
    assert problem.remedy == "Send Accept: image/png."


def test_a_remedy_of_the_endpoint_takes_the_place_of_the_general_one() -> None:
    with pytest.raises(Problem) as caught:
        choose(request_with(PNG), (JSON, EVENT_STREAM), remedy="Set images to 1.")
    assert caught.value.remedy == "Set images to 1."
