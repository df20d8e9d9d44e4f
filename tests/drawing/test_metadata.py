"""Settings as the metadata of an image."""

from photism.drawing.metadata import describe_settings
from photism.drawing.settings import DrawSettings


def test_a_text_in_chunks_is_named():
    for given, expected in ((DrawSettings(text="rain", long_text=True), True), (DrawSettings(text="rain"), None)):
        assert describe_settings(given, given)["long_text"] is expected
