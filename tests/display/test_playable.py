from photism.display.playable import part
from tests.support.notebook_html import Markup


def test_a_part_is_a_button_only_next_to_a_player() -> None:
    ((tag, values),) = Markup(part(0.5, 1.25, "0.5 s", "word", style="", plays=True)).elements
    assert (tag, values["data-start"], values["data-end"]) == ("button", "0.500", "1.250")
    ((tag, values),) = Markup(part(0.5, 1.25, "0.5 s", "word", style="", plays=False)).elements
    assert (tag, values["title"]) == ("span", "0.5 s")
    assert "data-start" not in values
