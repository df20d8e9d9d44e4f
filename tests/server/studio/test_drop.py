"""Files that are dropped on the page: pictures of Photism, other pictures, sounds, and what is neither."""

from io import BytesIO

import pytest

pytest.importorskip("playwright", reason="the page is tested with playwright")

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect

from photism.drawing.metadata import encode_png
from photism.hub import bundled_model

DROP = """async ([name, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
  const target = document.querySelector("main");
  for (const event of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(event, {bubbles: true, cancelable: true, dataTransfer: transfer}));
    if (event === "dragover") globalThis.cue = !document.querySelector(".drop-cue").hidden;
  }
}"""
READ = """async (bytes) => {
  const name = "page/png_metadata.js";
  const module = await import(new URL(name, document.querySelector("script[type=module]").src));
  const file = new Blob([new Uint8Array(bytes)]);
  return [await module.readTexts(file), await module.readSettings(file)];
}"""
IMAGE = Image.new("RGB", (16, 16), "teal")


def drop(page, name, type_, content):
    """Drop a file on the page."""
    page.evaluate(DROP, [name, type_, list(content)])


def png(**about):
    """Return a picture of Photism with settings."""
    return encode_png(IMAGE, about)


def notice(page):
    """Return the message in front of the page."""
    return page.locator(".page-notice p")


@pytest.mark.slow
def test_a_picture_of_photism_restores_its_settings(studio):
    content = png(seed=41, steps=5, text="im Schnee ❄", heard="An elephant.", image="cat.png", model="tiny")
    studio.goto(f"{studio.url.split('#')[0]}#hear")
    drop(studio, "elephant.png", "image/png", content)
    expect(studio.get_by_role("tab", name="Draw")).to_have_attribute("aria-selected", "true")
    expect(notice(studio)).to_contain_text("The settings of elephant.png are back in the tab Draw.")
    expect(notice(studio)).to_contain_text("neither are the files that it was drawn with: cat.png")
    assert studio.evaluate("globalThis.cue")
    expect(studio.locator(".drop-cue")).to_be_hidden()


@pytest.mark.slow
def test_settings_that_cannot_be_used_are_named(studio):
    drop(studio, "old.png", "image/png", png(seed="-1", steps=5, model="gone"))
    expect(notice(studio)).to_contain_text(
        "These settings cannot be used here and are left out: Seed (-1), Model (gone)"
    )


@pytest.mark.slow
def test_the_storyboard_of_a_film_restores_the_settings_of_the_film(studio):
    board = png(fps="25/2", window_s=2.5, num_inference_steps=3, sound_strength=1.5, low="{'zoom': 2.0}", seed=4)
    drop(studio, "board.png", "image/png", board)
    expect(notice(studio)).to_contain_text("The settings of board.png are back in the tab Film.")
    found = studio.evaluate(READ, list(board))[1]["settings"]
    assert found == {"fps": "25/2", "window": "2.5", "steps": "3", "strength": "1.5", "seed": "4"}


@pytest.mark.slow
def test_another_picture_is_offered_to_start_from(studio):
    file = BytesIO()
    IMAGE.save(file, "JPEG")
    drop(studio, "cat.jpg", "image/jpeg", file.getvalue())
    expect(notice(studio)).to_have_text("cat.jpg holds no settings of Photism. Do you want to draw from it?")
    studio.get_by_role("button", name="Start from this picture").click()
    expect(notice(studio)).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "type_", "content", "message"),
    [
        ("broken.png", "image/png", png(seed=1)[:60], "broken.png is not a picture that can be opened."),
        ("notes.txt", "text/plain", b"words", "notes.txt is neither a sound, nor a video, nor a picture."),
    ],
)
def test_other_files_get_words(studio, name, type_, content, message):
    drop(studio, name, type_, content)
    expect(notice(studio)).to_have_text(message)


@pytest.mark.slow
def test_a_dropped_sound_is_the_recording(studio):
    drop(studio, "said.ogg", "audio/ogg", (bundled_model() / "examples/banana.es.ogg").read_bytes())
    expect(studio.locator("#recording").get_by_text("said.ogg")).to_be_visible()


@pytest.mark.slow
def test_texts_of_every_kind_are_read_before_and_after_the_pixels(studio):
    about = PngInfo()
    about.add_itxt("Software", "photism 0.1.0")
    about.add_text("negative", "caf\xe9")
    about.add_text("text", "a" * 2000, zip=True)
    about.add_itxt("heard", "Слон.", zip=True)
    about.add_itxt("seed", "3", lang="en", tkey="Samen")
    about.add(b"tEXt", b"steps\0" + b"7", after_idat=True)
    about.add(b"zTXt", b"damaged\0\0no zlib")
    about.add_text("huge", "0" * 2**21, zip=True)
    file = BytesIO()
    IMAGE.save(file, "PNG", pnginfo=about)
    texts, found = studio.evaluate(READ, list(file.getvalue()))
    expected = {"negative": "café", "text": "a" * 2000, "seed": "3", "steps": "7"}
    assert texts == expected | {"Software": "photism 0.1.0", "heard": "Слон."}
    assert found["settings"] == expected
    assert studio.evaluate(READ, list(b"\x89PNG\r\n\x1a\n\xff\xff")) == [None, None]


@pytest.mark.slow
def test_every_name_in_the_metadata_is_known(studio):
    """What `describe_settings` writes is a field that is restored, the name of a file, or what was recognised."""
    from photism.drawing.metadata import describe_models, describe_settings
    from photism.drawing.settings import DrawSettings
    from photism.prompts.settings import PipelineSettings

    settings = describe_settings(DrawSettings(), DrawSettings())
    found = studio.evaluate(READ, list(png(**dict.fromkeys(settings, "1"))))[1]
    restored = set(found["settings"]) | {"sound_strength"}
    assert set(settings) - restored == {"image", "mask", "style", "control_image"}
    assert {"strength"} <= set(found["settings"])
    models = {"embedding", "ip_adapter", "ip_adapter_scale", "scheduler", "dtype", "controlnet", "diffusion"}
    assert set(describe_models(PipelineSettings())) == models | {"model", "lora"}
