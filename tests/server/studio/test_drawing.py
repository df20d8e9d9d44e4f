"""What the page draws: the settings of a request, the images and captions that it returns, and its errors."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.settings import DrawSettings
from photism.prompts.settings import PipelineSettings
from photism.server.engine.entries import ModelEntry
from photism.server.studio.visitors import Visitors

from .conftest import FLAGGED_SEED, HEARD, RANKED, Pipeline

gr = pytest.importorskip("gradio", reason="the studio needs gradio: pip install 'photism[studio]'")

from photism.server.studio.drawing import Studio  # noqa: E402

REQUEST = SimpleNamespace(request=SimpleNamespace(state=SimpleNamespace(client="somebody")), session_hash="me")


class Drawer:
    """The page's handler, for a visitor who waits for the result or does not."""

    def __init__(self, services: Any, drawing: Any, pipeline: Pipeline) -> None:
        self.services, self.drawing, self.pipeline = services, drawing, pipeline

    def __call__(self, *values: Any, is_watched: bool = True) -> Any:
        visitors = Visitors()
        studio = Studio(self.services, visitors, self.services.registry.find("drawing"))

        async def draw() -> Any:
            with visitors.watching("me" if is_watched else "somebody else"):
                return await studio.draw(REQUEST, *values)

        return asyncio.run(draw())


@pytest.fixture
def draw(services: Any, drawing: Any, pipeline: Pipeline) -> Drawer:
    """Return the page's handler."""
    return Drawer(services, drawing, pipeline)


def test_the_controls_become_settings(make_sound, draw):
    pictures, heard = draw(make_sound(1), 20, 5.0, 7, 2, "noise")
    assert draw.pipeline.settings == DrawSettings(
        num_inference_steps=20, guidance_scale=5.0, seed=7, images_per_sound=2, negative="noise"
    )
    assert [caption for _, caption in pictures] == ["Seed 7", "Seed 8"]
    assert heard == HEARD


def test_a_recording_that_is_not_known_says_so(make_sound, draw):
    pictures, heard = draw(make_sound(2), 20, 5.0, 7, 1, "empty")
    assert list(heard.items()) == [
        ("No known sound recognised (closest: An elephant.)", 0.75),
        ("A koala.", -0.25),
    ]
    about = pictures[0][0].info
    assert (about["heard"], about["known"]) == ("An elephant.", "false")
    ((mixed, _),), heard = draw(make_sound(2), 20, 5.0, 7, 1, "empty", make_sound(1, "b"))
    assert heard == HEARD
    assert "known" not in mixed.info


@pytest.mark.parametrize(
    ("seed", "negative", "asked"),
    [
        (-1, "empty", {"seed": None, "guidance_scale": 5.0, "negative": "empty"}),
        (0, "none", {"seed": 0, "guidance_scale": None, "negative": "none"}),
        (0, "/etc/passwd", {"seed": 0, "guidance_scale": 5.0, "negative": TextPrompt("/etc/passwd")}),
        (0, "text:a photograph", {"seed": 0, "guidance_scale": 5.0, "negative": TextPrompt("a photograph")}),
    ],
)
def test_random_seeds_no_guidance_and_negative_texts(make_sound, draw, seed, negative, asked):
    draw(make_sound(1), 20, 5.0, seed, 1, negative)
    assert draw.pipeline.settings == DrawSettings(num_inference_steps=20, **asked)


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_two_recordings_are_mixed(make_sound, draw, monkeypatch, share, drawn):
    asked = []
    ranker = SimpleNamespace(rank_prompts=lambda prompts: asked.append(prompts.prompt_embeds.mean().item()) or [RANKED])
    monkeypatch.setattr(draw.drawing, "ranker", ranker)
    pictures, _ = draw(make_sound(1), 20, 5.0, 0, 1, "empty", make_sound(3, "second"), share)
    assert draw.pipeline.drawn == drawn
    assert asked == [drawn]
    assert pictures[0][0].info["weights"] == f"{1 - share:g},{share:g}"


@pytest.mark.parametrize(("typed", "place"), [("blend", "blend"), ("after", "after"), ("1:4", (1, 4))])
@pytest.mark.parametrize(("strength", "asked"), [(-1, None), (0, 0), (0.7, 0.7)])
def test_a_text_has_a_place_and_a_strength(make_sound, draw, typed, place, strength, asked):
    ((picture, _),), _ = draw(make_sound(1), 20, 5.0, 0, 1, "empty", None, 0.5, "a rose", typed, strength)
    used = draw.pipeline.settings
    assert (used.text, used.text_place, used.sound_strength) == ("a rose", place, asked)
    assert (picture.info["text"], picture.info["text_place"], picture.info["sound_strength"]) == (
        "a rose",
        typed,
        "0.25",
    )
    assert "weights" not in picture.info


def test_without_a_text_its_place_is_ignored(make_sound, draw):
    ((picture, _),), _ = draw(make_sound(1), 20, 5.0, 0, 1, "empty", None, 0.5, "", "after", -1)
    assert draw.pipeline.settings == DrawSettings(num_inference_steps=20, guidance_scale=5.0, negative="empty")
    assert not {"text", "text_place", "sound_strength", "weights"} & picture.info.keys()


def test_images_flagged_by_the_safety_checker_are_reported(make_sound, draw):
    pictures, _ = draw(make_sound(1), 20, 5.0, FLAGGED_SEED - 1, 2, "empty")
    assert [caption for _, caption in pictures] == ["Seed 65", "Seed 66: the safety checker found it unsafe"]


def test_without_a_ranker_there_are_no_captions(make_sound, draw, monkeypatch):
    monkeypatch.setattr(draw.drawing, "ranker", None)
    assert draw(make_sound(1), 20, 5.0, 0, 1, "empty")[1] == {}


def error_of(draw: Callable[..., Any], *values: Any) -> str:
    with pytest.raises(gr.Error) as error_info:
        draw(*values)
    assert error_info.value.print_exception is False
    return error_info.value.message


def test_a_wrong_setting_is_reported_before_anything_is_decoded(draw):
    message = error_of(draw, "/nowhere", 20, 5.0, 0, 1, "empty", None, 0.5, "a rose", "above", -1)
    assert message == "text_place must be blend, before, after or START:STOP, such as 1:4; got above"
    message = error_of(draw, None, 20, 5.0, 0, 1, "empty")
    assert message == "Record or upload a sound first, or choose an example."


def test_recordings_of_more_than_sixty_seconds_are_refused(make_sound, draw):
    draw(make_sound(60), 20, 5.0, 0, 1, "empty")
    first, second = make_sound(1), make_sound(60.1, "second")
    assert error_of(draw, second, 20, 5.0, 0, 1, "empty") == ("The sound must be at most 60 s long. Cut the recording.")
    assert error_of(draw, first, 20, 5.0, 0, 1, "empty", second) == (
        "The second sound must be at most 60 s long. Cut the recording."
    )


def test_an_error_names_neither_a_path_nor_the_visitors_file(tmp_path, draw):
    path = tmp_path / "diary of Anna.txt"
    path.write_text("not a sound")
    message = error_of(draw, str(path), 20, 5.0, 0, 1, "empty")
    assert message.startswith("The sound: not an audio or video file")
    assert "Anna" not in message
    assert str(tmp_path) not in message


def test_a_model_with_too_many_requests_says_so_in_words(make_sound, draw, monkeypatch):
    from photism.server.engine.busy import Busy

    async def refuse(*_: object) -> None:
        raise Busy("Too many requests wait for the model.", 7)

    monkeypatch.setattr(draw.services.registry, "run", refuse)
    message = error_of(draw, make_sound(1), 20, 5.0, 0, 1, "empty")
    assert message.startswith("Too many requests wait for the model. ")


def test_work_of_a_visitor_who_never_asks_for_the_result_does_not_begin(make_sound, draw, monkeypatch):
    monkeypatch.setattr("photism.server.studio.visitors.UNWATCHED_S", 0.05)
    message = error_of(lambda *values: draw(*values, is_watched=False), make_sound(1), 20, 5.0, 0, 1, "empty")
    assert message == "The drawing was stopped."
    assert draw.pipeline.settings is None


def test_progress_is_in_words():
    from photism.server.engine.ticket import Progress
    from photism.server.studio.drawing import follow

    updates = [Progress("queued", 2), Progress("loading"), Progress("running"), Progress("running", 0, 1, 4)]
    shown = []

    async def report() -> Any:
        for update in updates:
            yield update

    def progress(done: Any, desc: str | None = None, unit: str | None = None) -> None:
        shown.append((done, desc))

    asyncio.run(follow(SimpleNamespace(updates=report), progress))
    assert shown == [(0, "3 before you"), (0, "Loading the model"), (0, "Encoding"), ((1, 4), None)]


def test_a_model_with_an_ip_adapter_needs_an_image_that_the_page_does_not_have(services):
    entry = ModelEntry("ink", "drawing", PipelineSettings(ip_adapter="ink.safetensors"))
    with pytest.raises(gr.Error, match="in the style of an image, for which the page has no field"):
        asyncio.run(Studio(services, Visitors(), entry).draw(REQUEST, "/nowhere", 20, 5.0, 0, 1, "empty"))
