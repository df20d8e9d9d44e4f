import pytest

from photism.display.timeline import MAX_LABELS, timeline
from tests.support.notebook_html import Markup


def test_a_segment_stands_at_its_time() -> None:
    markup = Markup(timeline([(1, 3, "anna", 0.9), (2, 4, "bob", 0.5), (3, 4, "anna", 0.8)], 4.0))
    assert markup.text == "anna 3.00 sbob 2.00 s0 s4.00 s"
    styles = [values["style"] or "" for tag, values in markup.elements if values.get("role") == "img"]
    assert ["left:25.000%;width:50.000%" in style for style in styles] == [True, False, False]
    assert markup.count("button") == 0


@pytest.mark.parametrize(("labels", "note"), [(MAX_LABELS, ""), (MAX_LABELS + 1, "20 of 21 segments are shown.")])
def test_labels_are_bounded(labels: int, note: str) -> None:
    markup = Markup(timeline([(0, 1, f"{index}", 0.9) for index in range(labels)], 1.0, plays=True))
    assert markup.count("button") == MAX_LABELS
    assert markup.text.endswith(f"1.00 s{note}")
