"""POST /v1/draw: images of recordings, as the command line draws them."""

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from photism import AudioToImagePipeline
from photism.audio.writing import write_waveform
from photism.cli import draw as draw_command
from photism.drawing import previews
from photism.prompts.settings import PipelineSettings
from photism.server.engine.entries import ModelEntry
from photism.server.engine.registry import ModelRegistry
from photism.server.settings import LimitSettings

STEPS = {"steps": 2}


@pytest.fixture(autouse=True)
def shared_model(monkeypatch, server_drawing):
    """Let the command line draw with the model that the server has loaded."""
    monkeypatch.setattr(
        draw_command, "load_pipeline", lambda *_, **__: (server_drawing.pipeline, server_drawing.ranker)
    )


@pytest.fixture(scope="module")
def picture():
    file = BytesIO()
    Image.linear_gradient("L").resize((128, 128)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def post(client, paths, data=None, *, accept="image/png", files=()):
    opened = [("file", (path.name, path.read_bytes())) for path in paths]
    data = {**STEPS, **(data or {})}
    return client.post("/v1/draw", files=[*opened, *files], data=data, headers={"Accept": accept})


def opened(png):
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image), dict(image.text)


def test_an_image_is_the_file_that_the_command_line_writes(client, recordings, command_json, tmp_path):
    answer = post(client, recordings[:1], {"seed": 7, "text": "red", "negative": "silence"})
    assert answer.headers["content-type"] == "image/png"
    flags = ("--steps", 2, "--seed", 7, "--text", "red", "--negative", "silence")
    command_json("draw", recordings[0].name, "-o", tmp_path / "a.png", "--json", *flags)
    assert answer.content == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize(
    ("data", "flags", "count"),
    [
        ({"images": 2}, ("--images", 2), 1),
        ({"mix": "2,1"}, ("--mix", "2,1"), 2),
        ({"morph": 3}, ("--morph", 3), 2),
    ],
)
def test_json_is_that_of_the_command_line_with_the_images(
    client, recordings, command_json, tmp_path, data, flags, count
):
    answer = post(client, recordings[:count], data, accept="application/json").json()
    names = [path.name for path in recordings[:count]]
    (printed,) = command_json("draw", *names, "-o", f"{tmp_path}/", "--steps", 2, "--json", *flags)
    assert len(answer["pictures"]) == len(printed["pictures"])
    for drawn, written in zip(answer["pictures"], printed["pictures"], strict=True):
        with open(written.pop("file"), "rb") as file:
            assert base64.b64decode(drawn.pop("png")) == file.read()
    settings = answer.pop("settings")
    assert answer == printed
    assert settings["model"] == "tiny"
    assert settings["steps"] == 2


def test_an_image_to_start_from_is_drawn_as_by_the_command_line_and_leaves_no_trace(client, recordings, picture):
    """Whether pipelines of several tasks draw alike is tested in tests/drawing/test_tasks.py."""
    before = post(client, recordings[:1]).content
    files = [("image", ("/home/me/start.png", picture))]
    start = np.asarray(Image.open(BytesIO(picture)), float)
    near, far = (
        opened(post(client, recordings[:1], {"steps": 10, "image_strength": strength}, files=files).content)
        for strength in (0.2, 0.9)
    )
    assert abs(near[0] - start).mean() < abs(far[0] - start).mean()
    assert post(client, recordings[:1]).content == before
    _, metadata = near
    assert (metadata["sound"], metadata["image"]) == (recordings[0].name, "start.png")
    assert not any("/" in value for value in metadata.values())  # no folder, of the client or the server


def test_events_are_the_steps_and_the_images(client, recordings):
    text = post(client, recordings[:1], {"steps": 5}, accept="text/event-stream").text
    events = [each.split("\n") for each in text.split("\n\n") if each]
    progress = [json.loads(data.removeprefix("data: ")) for name, data in events if name == "event: progress"]
    assert all(each["total"] == 5 for each in progress if each["total"])
    name, data = events[-1]
    assert name == "event: result"
    result = json.loads(data.removeprefix("data: "))
    expected = post(client, recordings[:1], {"steps": 5}, accept="application/json").json()
    assert result == expected


def test_json_with_base64_draws_the_same(client, recordings):
    body = {"file": base64.b64encode(recordings[0].read_bytes()).decode(), "steps": 2, "seed": 3}
    answer = client.post("/v1/draw", json=body)
    pixels, metadata = opened(answer.content)
    assert metadata["sound"] == "file"
    assert (pixels == opened(post(client, recordings[:1], {"seed": 3}).content)[0]).all()


def test_a_silent_recording_is_drawn_with_a_warning(client, tmp_path):
    write_waveform(np.zeros(16_000), tmp_path / "silence.wav", sampling_rate=16_000, title="", about={})
    answer = post(client, [tmp_path / "silence.wav"], accept="application/json").json()
    assert answer["warnings"] == ["there is nothing to hear: all of it is digital silence"]
    assert len(answer["pictures"]) == 1


def test_a_mask_keeps_the_black_pixels_of_the_image(client, recordings, picture):
    mask = np.zeros((128, 128), np.uint8)
    mask[32:96, 32:96] = 255
    file = BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    files = [("image", ("image.png", picture)), ("mask", ("mask.png", file.getvalue()))]
    drawn, _ = opened(post(client, recordings[:1], {"steps": 4, "image_strength": 1}, files=files).content)
    start = np.asarray(Image.open(BytesIO(picture)))
    assert (drawn[mask == 0] == start[mask == 0]).all()
    assert (drawn[mask == 255] != start[mask == 255]).any(axis=-1).mean() > 0.9


def test_previews_are_events_before_the_result_which_stays_the_same(client, recordings, monkeypatch):
    monkeypatch.setattr(previews, "MAX_SHARE", np.inf)
    given = {"steps": 6, "images": 2}
    post(client, recordings[:1], {"steps": 2, "preview_steps": 1}, accept="text/event-stream")  # measures a preview
    text = post(client, recordings[:1], {**given, "preview_steps": 2}, accept="text/event-stream").text
    events = [each.split("\n") for each in text.split("\n\n") if each]
    shown = [json.loads(data.removeprefix("data: ")) for name, data in events if name == "event: preview"]
    assert shown  # one that was not sent yet when the next one came is dropped
    assert all(each["done"] in (2, 4) and each["total"] == 6 for each in shown)
    assert all([picture["number"] for picture in each["pictures"]] == [0, 1] for each in shown)
    image, metadata = opened(base64.b64decode(shown[-1]["pictures"][1]["png"]))
    assert image.shape == (128, 128, 3)
    assert set(metadata) == {"Software"}
    result = json.loads(events[-1][1].removeprefix("data: "))
    assert result == post(client, recordings[:1], given, accept="application/json").json()


@pytest.fixture
def styled_client(make_client, models, parts):
    """Return a client of a server whose model `inked` was loaded with a LoRA."""
    model = PipelineSettings(model=str(models / "sd"), device="cpu", lora=((str(parts / "lora-sd"), 0.7),))
    registry = ModelRegistry((ModelEntry("inked", "drawing", model),), LimitSettings())
    with make_client(registry) as connected:
        yield connected
    registry.close(10)


def test_a_request_gives_loras_other_weights_and_leaves_no_trace(styled_client, recordings, models):
    (inked,) = (each for each in styled_client.get("/v1/models").json()["data"] if each["id"] == "inked")
    assert inked["loras"] == [{"name": "lora-sd", "weight": 0.7}]
    before = post(styled_client, recordings[:1]).content
    changed, metadata = opened(post(styled_client, recordings[:1], {"lora": "lora-sd:0.2"}).content)
    assert metadata["lora"] == "lora-sd:0.2"
    assert post(styled_client, recordings[:1]).content == before
    loaded = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    drawn, metadata = opened(post(styled_client, recordings[:1], {"lora": "lora-sd:0"}).content)
    assert (drawn == np.asarray(loaded(recordings[0], num_inference_steps=2).images[0][0])).all()
    assert "lora" not in metadata
    assert (changed != opened(before)[0]).any()


@pytest.mark.parametrize(
    ("lora", "detail"),
    [
        ("oil:1", "lora must name LoRAs that the model was loaded with; it has lora-sd, not oil"),
        ("/etc/passwd:1", "lora must name LoRAs that the model was loaded with; it has lora-sd, not passwd"),
        ("lora-sd", "lora must be NAME:WEIGHT, such as ink:0.7, once for each LoRA; got lora-sd"),
        ("lora-sd:nan", "lora must be NAME:WEIGHT, such as ink:0.7, once for each LoRA; got lora-sd:nan"),
    ],
)
def test_a_lora_must_be_one_that_the_server_was_started_with(styled_client, recordings, lora, detail):
    answer = post(styled_client, recordings[:1], {"lora": lora})
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)
    assert answer.json()["field"] == "lora"


@pytest.mark.parametrize(
    ("data", "count", "status", "field", "detail"),
    [
        ({"images": 2}, 1, 406, None, "The answer can be sent as application/json, text/event-stream"),
        ({}, 2, 422, "file", "file must be given once, unless mix or morph is given"),
        ({"images": 5}, 1, 422, "images", "images must be at most 4 on this server; got 5"),
        ({"morph": 5}, 2, 422, "morph", "morph must be at most 4 on this server; got 5"),
        ({"width": 8192, "height": 8192}, 1, 422, "width", "width must give an image of at most 0.1 megapixels"),
        ({"mix": "1,2,3"}, 2, 422, None, "weights must be one for each recording, 2; got 3"),
        ({"image_strength": 0.5}, 1, 422, "image_strength", "image_strength must be given together with image"),
        ({"negative": "none", "guidance_scale": 3}, 1, 422, "guidance_scale", "guidance_scale must be at most 1"),
    ],
)
def test_what_cannot_be_drawn_is_a_problem(client, recordings, data, count, status, field, detail):
    answer = post(client, recordings[:count], data)
    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (status, field)
    assert problem["detail"].startswith(detail)


def test_several_images_are_sent_as_json_where_anything_is_accepted(client, recordings):
    answer = post(client, recordings[:1], {"images": 2}, accept="*/*")
    assert answer.headers["content-type"] == "application/json"
    assert [each["seed"] for each in answer.json()["pictures"]] == [0, 1]
    refused = post(client, recordings[:1], {"images": 2}).json()
    assert refused["remedy"] == "Accept application/json for several images, or set images to 1."
