from base64 import b64decode
from io import BytesIO

import pytest
from PIL import Image

from photism.display.markup import MAX_IMAGE_SIDE, MAX_ROWS, duration, picture, table, text
from tests.support.notebook_html import Markup


def test_text_is_escaped() -> None:
    assert text("<a href='x'>\x00") == "&lt;a href=&#x27;x&#x27;&gt;\\u0000"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.5, "0.50 s"), (59.994, "59.99 s"), (60, "1:00"), (3599.9, "59:59"), (3725, "1:02:05")]
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_table_has_no_more_rows_than_its_limit() -> None:
    assert Markup(table(["a"], [["1"]] * MAX_ROWS)).text == "a" + "1" * MAX_ROWS
    longer = Markup(table(["a"], [["1"]] * (MAX_ROWS + 1)))
    assert longer.text == "a" + "1" * MAX_ROWS + "20 of 21 rows are shown."


@pytest.mark.parametrize(("size", "shown"), [((32, 16), (32, 16)), ((2048, 1024), (MAX_IMAGE_SIDE, 256))])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_picture_is_scaled_down(size: tuple[int, int], shown: tuple[int, int], mode: str) -> None:
    ((_, values),) = Markup(picture(Image.new(mode, size), "a <b>")).elements
    assert values["alt"] == "a <b>"
    source = values["src"] or ""
    assert Image.open(BytesIO(b64decode(source.partition("base64,")[2]))).size == shown
