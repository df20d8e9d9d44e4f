"""The studio, with a pipeline that draws plain squares: the settings of a request, and the page's output."""

import socket
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from photism import InputError, __version__
from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.settings import DrawSettings
from photism.prompts.audio_prompt import AudioPrompt

gr = pytest.importorskip("gradio", reason="the studio needs gradio: pip install 'photism[studio]'")
gradio_client = pytest.importorskip("gradio_client", reason="comes with gradio")

from photism.server.studio import CSS, THEME, build_app, launch  # noqa: E402

RATE = 8000  # Hz
FLAGGED_SEED = 66
HEARD = {"An elephant.": 0.75, "A koala.": -0.25}
RANKED = [{"caption": caption, "score": score} for caption, score in HEARD.items()]


class Pipeline:
    """A pipeline that records its settings and refuses more than 40 steps."""

    num_inference_steps = 12
    guidance_scale = 3.0
    negative = "empty"

    def __init__(self, latent_pixels: int = 16) -> None:
        unet = SimpleNamespace(config=SimpleNamespace(sample_size=latent_pixels))
        self.diffusion = SimpleNamespace(unet=unet, vae_scale_factor=8)
        self.settings: DrawSettings | None = None

        self.encoder = SimpleNamespace(encode=self.encode)

    def encode(self, waveforms: list[object]) -> AudioPrompt:
        """Return a prompt that holds the duration of the recording; one of 2 s is not known."""
        known = (waveforms[0].duration_s != 2,)
        return AudioPrompt(torch.full((1, 2, 1), waveforms[0].duration_s), None, known=known)

    def __call__(
        self, prompts: AudioPrompt, settings: DrawSettings, *, callback_on_step: Callable[[int, int], None]
    ) -> object:
        if settings.num_inference_steps > 40:
            raise InputError("num_inference_steps must be at most 40")
        self.settings, self.drawn = settings, prompts.prompt_embeds.mean().item()
        callback_on_step(1, 1)
        first = 123 if settings.seed is None else settings.seed
        seeds = [first + number for number in range(settings.images_per_sound)]
        images = [Image.new("RGB", (128, 128), (seed % 256, 0, 0)) for seed in seeds]
        flags = [seed == FLAGGED_SEED for seed in seeds]
        scale = 1.0 if settings.negative == "none" else settings.guidance_scale
        used = replace(settings, guidance_scale=scale, sound_strength=0.25)
        return SimpleNamespace(images=[images], seeds=[seeds], nsfw_content_detected=[flags], settings=used)


RANKER = SimpleNamespace(rank_prompts=lambda prompts: [RANKED])


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., str]:
    def make(duration_s: float, name: str = "said") -> str:
        path = tmp_path / f"{name}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(bytes(2 * round(duration_s * RATE)))
        return str(path)

    return make


def draw_of(app: object) -> Callable[..., object]:
    """Return the function that the button calls."""
    (function,) = [each for each in app.fns.values() if each.api_name == "draw"]
    return function.fn


def test_the_controls_become_settings(make_sound):
    pipeline = Pipeline()
    pictures, heard = draw_of(build_app(pipeline, RANKER))(make_sound(1), 20, 5.0, 7, 2, "noise")
    assert pipeline.settings == DrawSettings(
        num_inference_steps=20, guidance_scale=5.0, seed=7, images_per_sound=2, negative="noise"
    )
    assert [caption for _, caption in pictures] == ["Seed 7", "Seed 8"]
    assert heard == HEARD


def test_a_recording_that_is_not_known_says_so(make_sound):
    pictures, heard = draw_of(build_app(Pipeline(), RANKER))(make_sound(2), 20, 5.0, 7, 1, "empty")
    assert list(heard.items()) == [
        ("No known sound recognised (closest: An elephant.)", 0.75),
        ("A koala.", -0.25),
    ]
    about = pictures[0][0].info
    assert (about["heard"], about["known"]) == ("An elephant.", "false")
    ((mixed, _),), heard = draw_of(build_app(Pipeline(), RANKER))(
        make_sound(2), 20, 5.0, 7, 1, "empty", make_sound(1, "b")
    )
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
def test_random_seeds_no_guidance_and_negative_texts(make_sound, seed, negative, asked):
    pipeline = Pipeline()
    draw_of(build_app(pipeline))(make_sound(1), 20, 5.0, seed, 1, negative)
    assert pipeline.settings == DrawSettings(num_inference_steps=20, **asked)


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_two_recordings_are_mixed(make_sound, share, drawn):
    pipeline, asked = Pipeline(), []
    ranker = SimpleNamespace(rank_prompts=lambda prompts: asked.append(prompts.prompt_embeds.mean().item()) or [RANKED])
    pictures, _ = draw_of(build_app(pipeline, ranker))(
        make_sound(1), 20, 5.0, 0, 1, "empty", make_sound(3, "second"), share
    )
    assert pipeline.drawn == drawn
    assert asked == [drawn]
    assert pictures[0][0].info["weights"] == f"{1 - share:g},{share:g}"


@pytest.mark.parametrize(("typed", "place"), [("blend", "blend"), ("after", "after"), ("1:4", (1, 4))])
@pytest.mark.parametrize(("strength", "asked"), [(-1, None), (0, 0), (0.7, 0.7)])
def test_a_text_has_a_place_and_a_strength(make_sound, typed, place, strength, asked):
    pipeline = Pipeline()
    ((picture, _),), _ = draw_of(build_app(pipeline))(
        make_sound(1), 20, 5.0, 0, 1, "empty", None, 0.5, "a rose", typed, strength
    )
    assert (pipeline.settings.text, pipeline.settings.text_place) == ("a rose", place)
    assert pipeline.settings.sound_strength == asked
    assert (picture.info["text"], picture.info["text_place"], picture.info["sound_strength"]) == (
        "a rose",
        typed,
        "0.25",
    )
    assert "weights" not in picture.info


def test_without_a_text_its_place_is_ignored(make_sound):
    pipeline = Pipeline()
    ((picture, _),), _ = draw_of(build_app(pipeline))(make_sound(1), 20, 5.0, 0, 1, "empty", None, 0.5, "", "after", -1)
    assert pipeline.settings == DrawSettings(num_inference_steps=20, guidance_scale=5.0, negative="empty")
    assert not {"text", "text_place", "sound_strength", "weights"} & picture.info.keys()


def test_a_wrong_text_place_is_reported_before_anything_is_encoded(make_sound):
    pipeline = Pipeline()
    pipeline.encoder.encode = lambda _: pytest.fail("encoded")
    with pytest.raises(gr.Error) as error_info:
        draw_of(build_app(pipeline))(make_sound(1), 20, 5.0, 0, 1, "empty", None, 0.5, "a rose", "above", -1)
    assert error_info.value.message == "text_place must be blend, before, after or START:STOP, such as 1:4; got above"


def test_every_number_on_the_page_has_a_value():
    """Check that no number is None, which a browser would show and send as 0."""
    numbers = [block for block in build_app(Pipeline()).blocks.values() if isinstance(block, gr.Number)]
    assert {number.label: number.value for number in numbers} == {"Seed": -1, "Strength": -1}


def test_the_second_recording_is_checked_like_the_first(make_sound, tmp_path):
    draw = draw_of(build_app(Pipeline()))
    with pytest.raises(gr.Error, match=r"The sound is 60\.1 s long"):
        draw(make_sound(1), 20, 5.0, 0, 1, "empty", make_sound(60.1, "second"))
    path = tmp_path / "notes.txt"
    path.write_text("not a sound")
    with pytest.raises(gr.Error, match=r"notes\.txt: not an audio"):
        draw(make_sound(1), 20, 5.0, 0, 1, "empty", str(path))


def test_images_flagged_by_the_safety_checker_are_reported(make_sound):
    pictures, _ = draw_of(build_app(Pipeline()))(make_sound(1), 20, 5.0, FLAGGED_SEED - 1, 2, "empty")
    assert [caption for _, caption in pictures] == ["Seed 65", "Seed 66: the safety checker found it unsafe"]


def test_the_default_negative_is_the_models():
    pipeline = Pipeline()
    pipeline.negative = "noise"
    blocks = build_app(pipeline).blocks.values()
    (dropdown,) = [block for block in blocks if isinstance(block, gr.Dropdown) and block.label == "Negative"]
    assert dropdown.value == "noise"


def test_without_a_ranker_there_are_no_captions(make_sound):
    app = build_app(Pipeline())
    assert draw_of(app)(make_sound(1), 20, 5.0, 0, 1, "empty")[1] == {}
    (label,) = [block for block in app.blocks.values() if isinstance(block, gr.Label)]
    assert label.visible is False


def test_recordings_of_more_than_sixty_seconds_are_refused(make_sound):
    draw = draw_of(build_app(Pipeline()))
    draw(make_sound(60), 20, 5.0, 0, 1, "empty")
    with pytest.raises(gr.Error) as error_info:
        draw(make_sound(60.1), 20, 5.0, 0, 1, "empty")
    assert error_info.value.message == (
        "The sound is 60.1 s long, and at most 60 s can be drawn: cut it with the scissors below its waveform."
    )


def test_an_error_does_not_show_the_servers_paths(tmp_path):
    draw = draw_of(build_app(Pipeline()))
    with pytest.raises(gr.Error) as error_info:
        draw(None, 20, 5.0, 0, 1, "empty")
    assert error_info.value.message == "Record or upload a sound first, or choose an example."
    path = tmp_path / "notes.txt"
    path.write_text("not a sound")
    with pytest.raises(gr.Error) as error_info:
        draw(str(path), 20, 5.0, 0, 1, "empty")
    assert error_info.value.message.startswith("notes.txt: not an audio or video file")
    assert str(tmp_path) not in error_info.value.message


@pytest.mark.parametrize(("latent_pixels", "classes"), [(31, ["pixels"]), (32, [])])
def test_only_small_images_are_enlarged_without_interpolation(latent_pixels, classes):
    app = build_app(Pipeline(latent_pixels))
    (gallery,) = [block for block in app.blocks.values() if isinstance(block, gr.Gallery)]
    assert gallery.elem_classes == classes


def test_over_http(make_sound, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pipeline = Pipeline()
    app = build_app(pipeline, RANKER, model="squares")
    try:
        address = launch(app, host="127.0.0.1", port=port)
        assert address == f"http://127.0.0.1:{port}/"
        client = gradio_client.Client(address, download_files=str(tmp_path), verbose=False, analytics_enabled=False)
        sound = gradio_client.handle_file(make_sound(1))
        pictures, heard = client.predict(sound, seed=200, api_name="/draw")  # the rest has defaults
        with pytest.raises(gradio_client.exceptions.AppError, match=r"^num_inference_steps must be at most 40$"):
            client.predict(sound, num_inference_steps=41, api_name="/draw")
    finally:
        app.close()
    assert pipeline.settings == DrawSettings(num_inference_steps=12, guidance_scale=3.0, seed=200, negative="empty")
    assert heard["label"] == "An elephant."
    assert heard["confidences"] == [{"label": label, "confidence": score} for label, score in HEARD.items()]
    (picture,) = pictures
    assert picture["caption"] == "Seed 200"
    with Image.open(picture["image"]) as image:
        assert image.getpixel((64, 64)) == (200, 0, 0)
        assert image.text == {
            "Software": f"photism {__version__}",
            "seed": "200",
            "model": "squares",
            "steps": "12",
            "guidance_scale": "3.0",
            "negative": "empty",
            "heard": "An elephant.",
            "known": "true",
        }


def test_the_theme_downloads_nothing():
    css = THEME._get_theme_css() + CSS
    assert "@font-face" not in css
    assert "@import" not in css
    assert "url(" not in css.replace('url("data:', "")
    assert THEME._stylesheets == []
