"""What a visitor reads when something goes wrong: the words follow from what the server really answers."""

import io
import wave
from typing import Any

import pytest
from PIL import Image

from photism.hub import bundled_model

from .scripts import explain

pytest.importorskip("playwright", reason="the page is tested with playwright")

RATE = 16_000


def wav(duration_s: Any, sample: Any = b"\0\1") -> Any:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(sample * round(duration_s * RATE))
    return file.getvalue()


def png(width: Any, height: Any) -> Any:
    file = io.BytesIO()
    Image.new("L", (width, height), 128).save(file, "PNG")
    return file.getvalue()


ELEPHANT = (bundled_model() / "examples" / "elephant.en.ogg").read_bytes()
IMAGE, MASK = {"image": png(128, 128)}, {"mask": png(64, 64)}
DRAW, FILM, HEAR, VERIFY = "/v1/draw", "/v1/film", "/v1/hear", "/v1/speakers/verify"
MISTAKES = [
    (DRAW, {"file": wav(61)}, {}, "Too long: at most 60 s. Drag the ends of the waveform to choose a part."),
    (DRAW, {"file": wav(0.01)}, {}, "my word.wav is too short. Choose a longer part."),
    (DRAW, {"file": b""}, {}, "my word.wav is an empty file. Choose another one."),
    (DRAW, {"file": b"notes"}, {}, "my word.wav cannot be read. Choose a sound or video file, such as WAV, MP3,"),
    (DRAW, {"file": png(64, 64)}, {}, "my word.wav has no sound. Choose a sound file, or a video with sound."),
    (
        DRAW,
        {"image": b"notes"},
        {},
        "“Picture to start from” is not a picture that can be read. Choose a PNG or JPEG file.",
    ),
    (DRAW, MASK, {}, "“Mask” works only together with “Picture to start from”."),
    (DRAW, MASK | IMAGE, {}, "The mask must be as large as the picture: 128 × 128 pixels."),
    (DRAW, {"style": png(64, 64)}, {}, "The model of this server cannot use “Picture for the style”. Remove it."),
    (DRAW, {"control_image": png(64, 64)}, {}, "The model of this server cannot use “Picture to follow”. Remove it."),
    (DRAW, {}, {"steps": "0"}, "“Steps” must be between 1 and 1,000."),
    (DRAW, {}, {"images": "99"}, "“Number of pictures” must be at most 16."),
    (DRAW, {}, {"width": "64"}, "“Width” works only together with “Height”."),
    (DRAW, {}, {"width": "9000", "height": "9000"}, "The picture would be too large for this server."),
    (DRAW, {}, {"track": "7"}, "my word.wav does not have this audio track. Leave “Audio track” empty."),
    (DRAW, {}, {"channel": "7"}, "my word.wav does not have this channel. Leave “Channel” empty."),
    (DRAW, {}, {"background": "zzz"}, "“Background” needs a colour, such as white or #ff8000."),
    (DRAW, {}, {"mix": "1,2"}, "The weights must be one number for each recording, such as 2,1."),
    (DRAW, {}, {"morph": "4"}, "Add a second recording to change into."),
    (DRAW, {}, {"text": "a", "text_place": "5:99"}, "must be a range from 1 to 16, such as 1:4."),
    (DRAW, {}, {"negative": "none", "guidance_scale": "3"}, "“Guidance” must be at most 1."),
    (DRAW, {}, {"model": "gone"}, "This server does not have this model any more. Choose another one."),
    (DRAW, {}, {"seed": "1" * 30}, "“Seed” must be between 0 and 9,223,372,036,854,77"),
    (DRAW, {}, {"unheard_of": "1"}, "The server has been upgraded. Reload the page."),
    (FILM, {}, {"preview": "true", "storyboard": "true"}, "“Liveliest five seconds” does not work together with"),
    (
        VERIFY,
        {"file": wav(1, b"\0\0"), "other": ELEPHANT},
        {"threshold": "0"},
        "my word.wav is silent. Record it again,",
    ),
    (HEAR, {}, {"hop": "1"}, "“Step between windows” works only together with “Length of a window”."),
    (HEAR, {}, {"window": "1", "hop": "2"}, "“Step between windows” must be at most 1."),
    (DRAW, IMAGE, {"image_strength": "0.1"}, "has a value that cannot be used here."),
    (HEAR, {}, {"template": "abc"}, "“Sentence around a caption” needs {} in the place of the caption."),
]


@pytest.fixture(scope="module")
def client(make_client: Any, server_registry: Any) -> Any:
    return make_client(server_registry)


@pytest.mark.slow
def test_mistakes_are_explained_in_words_of_the_visitor(studio: Any, client: Any) -> None:
    explained, expected = [], []
    for path, files, fields, words in MISTAKES:
        answer = client.post(
            path, files={"file": ELEPHANT, **files}, data={"steps": "1", **fields} if path == DRAW else fields
        )
        assert answer.status_code >= 400, (path, fields)
        explained.append(explain(studio, answer.json(), "my word.wav"))
        expected.append(words)
    assert [(text, words) for text, words in zip(explained, expected, strict=True) if words not in text] == []
    problem = {
        "type": "/problems/invalid-field",
        "status": 422,
        "field": "where",
        "detail": "where cannot be used: siz < 5. The columns are id, size",
        "code": "columns",
        "values": {"columns": "id, size"},
    }
    assert explain(studio, problem).endswith(
        "compares columns with values, such as duration_s < 5. The columns are id, size."
    )
