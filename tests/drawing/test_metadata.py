"""Settings as the metadata of an image."""

from photism.drawing.metadata import describe_settings
from photism.drawing.settings import DrawSettings


def test_a_text_in_chunks_is_named():
    for given, expected in ((DrawSettings(text="rain", long_text=True), True), (DrawSettings(text="rain"), None)):
        assert describe_settings(given, given)["long_text"] is expected


def test_a_size_that_was_given_is_named():
    sized = describe_settings(DrawSettings(height=64, width=96), DrawSettings(height=64, width=96))
    assert (sized["height"], sized["width"]) == (64, 96)
    assert describe_settings(DrawSettings(), DrawSettings(height=512, width=512))["height"] is None
