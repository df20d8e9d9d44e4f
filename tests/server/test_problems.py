"""Problems say nothing of the folders of the server."""

import pytest

from photism.server.problems import without_folders


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("model /home/someone/models/night has no config.json", "model night has no config.json"),
        ("/etc has no config.json", "etc has no config.json"),
        ("~/night has no config.json", "night has no config.json"),
        ("image: '/tmp/private/a.png' is damaged", "image: 'a.png' is damaged"),
        ("at most 16000 samples/s, of audio/wav / audio/flac", "at most 16000 samples/s, of audio/wav / audio/flac"),
        ("https://example.org/a/b is not public", "https://example.org/a/b is not public"),
    ],
)
def test_absolute_paths_lose_their_folders(message: str, shown: str) -> None:
    assert without_folders(message) == shown
