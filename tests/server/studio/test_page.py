"""Controls of the page, and the checks of their values."""

from types import SimpleNamespace

import pytest

gr = pytest.importorskip("gradio", reason="the studio needs gradio: pip install 'photism[studio]'")

from photism.server.engine.kinds import Drawing  # noqa: E402
from photism.server.settings import LimitSettings  # noqa: E402
from photism.server.studio.files import PageFiles  # noqa: E402
from photism.server.studio.page import CSS, THEME, ModelDefaults, build_page  # noqa: E402

from .conftest import RANKER, Pipeline  # noqa: E402


def blocks_of(tmp_path, pipeline=None, ranker=RANKER):
    defaults = ModelDefaults.of(Drawing(pipeline or Pipeline(), ranker))
    return build_page(lambda *_: None, defaults, PageFiles(tmp_path), LimitSettings()).blocks.values()


def test_every_number_on_the_page_has_a_value(tmp_path):
    """Check that no number is None, which a browser would show and send as 0."""
    numbers = [block for block in blocks_of(tmp_path) if isinstance(block, gr.Number)]
    assert {number.label: number.value for number in numbers} == {"Seed": -1, "Strength": -1}


def test_defaults_are_the_models(tmp_path):
    pipeline = Pipeline()
    pipeline.negative, pipeline.num_inference_steps, pipeline.guidance_scale = "noise", 9, 4.5
    values = {getattr(block, "label", None): getattr(block, "value", None) for block in blocks_of(tmp_path, pipeline)}
    assert (values["Negative"], values["Steps"], values["Guidance scale"]) == ("noise", 9, 4.5)


@pytest.mark.parametrize(("ranker", "is_visible"), [(RANKER, True), (None, False)])
def test_without_a_ranker_there_is_no_label(tmp_path, ranker, is_visible):
    (label,) = [block for block in blocks_of(tmp_path, ranker=ranker) if isinstance(block, gr.Label)]
    assert label.visible is is_visible


@pytest.mark.parametrize(("latent_pixels", "classes"), [(31, ["pixels"]), (32, [])])
def test_only_small_images_are_enlarged_without_interpolation(tmp_path, latent_pixels, classes):
    (gallery,) = [block for block in blocks_of(tmp_path, Pipeline(latent_pixels)) if isinstance(block, gr.Gallery)]
    assert gallery.elem_classes == classes


def test_the_theme_downloads_nothing():
    css = THEME._get_theme_css() + CSS
    assert "@font-face" not in css
    assert "@import" not in css
    assert "url(" not in css.replace('url("data:', "")
    assert THEME._stylesheets == []


def test_an_unexpected_error_is_logged_and_not_shown(tmp_path, monkeypatch, caplog):
    import asyncio

    page = next(iter(blocks_of(tmp_path))).parent
    while page.parent is not None:
        page = page.parent
    monkeypatch.setattr(gr.Blocks, "process_api", lambda *_, **__: 1 / 0)
    with pytest.raises(gr.Error) as error_info:
        asyncio.run(page.process_api(SimpleNamespace(inputs=[]), []))
    assert error_info.value.message == "The server failed; its log has the details."
    assert "ZeroDivisionError" in caplog.text
