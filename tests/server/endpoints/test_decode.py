"""POST /v1/decode: the samples that the models read, of any file with sound."""

import io
import wave
from contextlib import ExitStack

import av
import numpy as np
import pytest

from photism.audio.sources import SoundFile
from photism.audio.waveform import load_waveform
from photism.server.access.client import client_key
from photism.server.decodings import MAX_DECODINGS, MAX_OF_CLIENT, Decodings
from photism.server.endpoints import decode as decode_module
from photism.server.problems import Problem

RATE = 22_050


def post(client, name, data, fields=None):
    return client.post("/v1/decode", files={"file": (name, data)}, data=fields or {})


def samples_of(answer):
    assert answer.status_code == 200, answer.text
    assert (answer.headers["content-type"], answer.headers["vary"]) == ("audio/wav", "Accept")
    assert int(answer.headers["content-length"]) == len(answer.content)
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15


def two_tones(container_format, codec, *, seconds=1.0, video=False):
    """Return a file with a tone on the left and another one on the right, perhaps with pictures."""
    times = np.arange(int(RATE * seconds)) / RATE
    tones = np.stack([np.sin(2 * np.pi * hertz * times) / 2 for hertz in (300, 900)]).astype(np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        sound = container.add_stream(codec, rate=RATE, layout="stereo")
        sound.bit_rate = 64_000
        pictures = container.add_stream("mpeg4", rate=5) if video else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
            for _ in range(5):
                container.mux(pictures.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(pictures.encode())
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tones.T).reshape(1, -1), "flt", "stereo")
        frame.sample_rate = RATE
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "container_format", "codec", "video"),
    [
        ("a.aiff", "aiff", "pcm_s16be", False),
        ("a.caf", "caf", "pcm_s16le", False),
        ("a.wma", "asf", "wmav2", False),
        ("a.mkv", "matroska", "mp2", True),
        ("a.mp4", "mp4", "aac", True),
    ],
)
def test_the_samples_are_those_that_the_models_read(client, name, container_format, codec, video):
    data = two_tones(container_format, codec, video=video)
    found = samples_of(post(client, name, data))
    expected = load_waveform(SoundFile(data)).samples
    np.testing.assert_allclose(found, expected, atol=2**-15)


def test_the_channel_can_be_chosen(client):
    answer = post(client, "a.wav", two_tones("wav", "pcm_s16le"), {"channel": "right"})
    spectrum = np.abs(np.fft.rfft(samples_of(answer)))
    assert 16_000 * spectrum.argmax() / (2 * len(spectrum) - 2) == pytest.approx(900, abs=2)


def test_samples_beyond_full_scale_are_clipped(client):
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.float32([[1.5, -1.5, 1.0, -1.0] * 500]), "flt", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = samples_of(post(client, "loud.wav", file.getvalue()))
    assert (found.max(), found.min()) == (1 - 2**-15, -1)


def test_a_recording_may_have_the_length_of_long_ones(client):
    """The server of these tests decodes 10 s for other endpoints, and 20 s of long recordings."""
    assert len(samples_of(post(client, "a.wav", two_tones("wav", "pcm_s16le", seconds=12)))) == 12 * 16_000
    answer = post(client, "a.wav", two_tones("wav", "pcm_s16le", seconds=21))
    assert answer.status_code == 422
    assert (answer.json()["type"], answer.json()["allowed"]) == ("/problems/too-long", "at most 20 s")


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "file is empty"), (b"no sound", "not an audio or video file that FFmpeg can read")]
)
def test_what_is_no_recording_is_a_problem(client, data, words):
    answer = post(client, "a.amr", data)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unreadable-file")
    assert words in answer.json()["detail"]


def test_there_is_no_model_to_choose(client, recordings):
    answer = post(client, "a.ogg", recordings[0].read_bytes(), {"model": "tiny"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unknown-field")


def test_the_upload_is_removed(client, recordings):
    storage = client.app.state.services.storage
    before = sorted(storage.folder.rglob("*"))
    samples_of(post(client, "a.ogg", recordings[0].read_bytes()))
    assert sorted(storage.folder.rglob("*")) == before


def test_what_no_wav_file_can_hold_is_refused(client, monkeypatch):
    services = client.app.state.services
    before = sorted(services.storage.folder.rglob("*"))
    monkeypatch.setattr(decode_module, "MAX_DATA_BYTES", 31_999)
    answer = post(client, "a.wav", two_tones("wav", "pcm_s16le"))
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/too-long")
    assert sorted(services.storage.folder.rglob("*")) == before
    assert services.decodings.count == 0


def test_the_longest_wav_file_has_a_header():
    assert len(decode_module.wav_header(decode_module.MAX_DATA_BYTES)) == decode_module.HEADER_BYTES


def test_a_client_has_a_place_until_its_recording_is_sent(client, monkeypatch):
    decodings, stream, counts = client.app.state.services.decodings, decode_module.stream_samples, []

    def counted(sound, **given):
        for block in stream(sound, **given):
            counts.append(decodings.count)
            yield block

    monkeypatch.setattr(decode_module, "stream_samples", counted)
    samples_of(post(client, "a.wav", two_tones("wav", "pcm_s16le")))
    assert set(counts) == {1}
    assert decodings.count == 0


def test_a_client_whose_recordings_are_still_sent_gets_no_further_one(client):
    decodings = client.app.state.services.decodings
    with ExitStack() as stack:
        for _ in range(MAX_OF_CLIENT):
            stack.enter_context(decodings.place(client_key("127.0.0.1")))
        answer = post(client, "a.wav", two_tones("wav", "pcm_s16le"))
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-requests")
    assert answer.headers["retry-after"] == "5"
    assert post(client, "a.wav", two_tones("wav", "pcm_s16le")).status_code == 200


def test_there_is_an_end_of_places():
    decodings = Decodings()
    with ExitStack() as stack:
        for number in range(MAX_DECODINGS):
            stack.enter_context(decodings.place(f"10.0.0.{number}"))
        with pytest.raises(Problem, match="16 recordings are being sent") as raised, decodings.place("10.0.1.0"):
            pass
        assert raised.value.status == 503
    assert decodings.count == 0


def test_an_answer_of_another_media_type_is_refused(client):
    accept = {"Accept": "application/json"}
    answer = client.post("/v1/decode", files={"file": ("a.wav", two_tones("wav", "pcm_s16le"))}, headers=accept)
    assert (answer.status_code, answer.json()["type"]) == (406, "/problems/not-acceptable")
