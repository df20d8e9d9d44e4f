"""OpenAI's endpoints with its own client, on loopback: answers, streams and errors."""

import asyncio
import base64
import time
import wave
from io import BytesIO

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from photism import Transcriber, load_waveform
from photism.audio.writing import encode_waveform, write_waveform
from photism.hub import bundled_model
from photism.listening.transcription.formats import write_transcript
from photism.server.endpoints.speech import NEUTRAL_VOICE, SpeechFields

ELEPHANT = bundled_model() / "examples" / "elephant.en.ogg"


@pytest.fixture(scope="module")
def client(server_url):
    with OpenAI(base_url=f"{server_url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def transcriber(server_entries):
    model = next(entry.settings.model for entry in server_entries if entry.kind == "recognizer")
    return Transcriber.from_pretrained(model, device="cpu")


@pytest.fixture(scope="module")
def transcript(transcriber):
    return transcriber(ELEPHANT)


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory):
    """Recording of several windows of 1 s: the word five times."""
    path = tmp_path_factory.mktemp("long") / "elephants.wav"
    samples = np.tile(load_waveform(ELEPHANT).samples, 5)
    write_waveform(samples, path, sampling_rate=16_000, title="", about={})
    return path


def test_models_are_listed_with_their_kinds(client):
    found = {model.id: model for model in client.models.list()}
    assert {"letters", "voice", "tiny", "tiny-sound"} <= found.keys()
    assert found["letters"].kinds == ["recognizer"]
    assert found["letters"].endpoints == ["/v1/transcribe", "/v1/audio/transcriptions", "/v1/live/transcription"]
    assert set(found["tiny"].kinds) == {"drawing", "embedder"}
    assert (found["voice"].object, found["voice"].owned_by) == ("model", "photism")
    assert client.models.retrieve("letters") == found["letters"]
    assert not any("/" in model.id for model in found.values())
    with pytest.raises(
        openai.NotFoundError, match=r"This server has no model 'me/gpt'. Name one of letters, "
    ) as raised:
        client.models.retrieve("me/gpt")
    assert (raised.value.param, raised.value.code) == ("model", "model-not-found")


def test_a_recording_is_transcribed(client, transcript):
    answer = client.audio.transcriptions.create(file=ELEPHANT, model="letters")
    assert len(answer.text) > 5
    assert answer.text == transcript.text
    assert (answer.usage.type, answer.usage.seconds) == ("duration", pytest.approx(transcript.duration_s, abs=1e-3))


@pytest.mark.parametrize(("format_", "own"), [("text", "txt"), ("srt", "srt"), ("vtt", "vtt")])
def test_texts_are_those_of_the_command_line(client, transcript, format_, own):
    answer = client.audio.transcriptions.create(file=ELEPHANT, model="letters", response_format=format_)
    assert answer == write_transcript(transcript, own)


def test_verbose_json_has_segments_and_words(client, transcript):
    answer = client.audio.transcriptions.create(
        file=ELEPHANT,
        model="letters",
        response_format="verbose_json",
        timestamp_granularities=["segment", "word"],
        language="en",
        temperature=0.2,
    )
    assert (answer.text, answer.language) == (transcript.text, "en")
    assert [(each.word, each.start) for each in answer.words] == [
        (each.text, round(each.start_s, 3)) for each in transcript.words
    ]
    assert " ".join(each.text for each in answer.segments) == transcript.text
    assert answer.segments[0].avg_logprob < 0
    segments = client.audio.transcriptions.create(file=ELEPHANT, model="letters", response_format="verbose_json")
    assert (segments.words, len(segments.segments)) == (None, len(answer.segments))


def test_hot_words_and_our_own_settings_change_the_text(client, transcriber):
    found = client.audio.transcriptions.create(
        file=ELEPHANT,
        model="letters",
        prompt="in, Rhino.",
        extra_body={"beams": 4, "hot_word_weight": 20, "window": 1},
    )
    settings = {"beams": 4, "hot_words": ("in", "Rhino"), "hot_word_weight": 20.0, "window_s": 1.0}
    assert found.text == transcriber(ELEPHANT, **settings).text
    assert found.text != transcriber(ELEPHANT, beams=4, window_s=1.0).text
    by_keywords = client.audio.transcriptions.create(
        file=ELEPHANT,
        model="letters",
        keywords=["in", "Rhino"],
        extra_body={"beams": 4, "hot_word_weight": 20, "window": 1},
    )
    assert by_keywords.text == found.text


def test_chunking_transcribes_detected_speech_only(client, transcriber):
    answer = client.audio.transcriptions.create(file=ELEPHANT, model="letters", chunking_strategy="auto")
    assert answer.text == transcriber(ELEPHANT, vad=True).text


def test_words_are_streamed(client, transcriber, long_recording):
    stream = client.audio.transcriptions.create(
        file=long_recording, model="letters", stream=True, extra_body={"window": 1}
    )
    *deltas, done = stream
    assert {each.type for each in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 1
    assert done.type == "transcript.text.done"
    assert "".join(each.delta for each in deltas) == done.text == transcriber(long_recording, window_s=1.0).text


def test_what_is_missing_in_a_recording_is_in_the_answer(client):
    with wave.open(header := BytesIO(), "wb") as file:
        file.setparams((1, 2, 16_000, 32_000, "NONE", ""))
        file.writeframes(bytes(64_000))
    truncated = header.getvalue()[:40_000]
    whole = client.audio.transcriptions.create(file=truncated, model="letters")
    *_, done = client.audio.transcriptions.create(file=truncated, model="letters", stream=True)
    assert len(whole.warnings) == 1
    assert "missing" in whole.warnings[0]
    assert done.warnings == whole.warnings


def test_the_asynchronous_client_transcribes_and_streams(server_url, transcript):
    async def run():
        async with AsyncOpenAI(base_url=f"{server_url}/v1", api_key="none", max_retries=0) as client:
            whole = client.audio.transcriptions.create(file=ELEPHANT, model="letters")
            stream = await client.audio.transcriptions.create(file=ELEPHANT, model="letters", stream=True)
            return (await whole).text, [event.type async for event in stream]

    text, types = asyncio.run(run())
    assert text == transcript.text
    assert types[-1] == "transcript.text.done"


@pytest.mark.parametrize(
    ("fields", "error", "message", "param"),
    [
        (
            {"model": "whisper-1"},
            openai.NotFoundError,
            "no recognizer model 'whisper-1'. Name one of letters.",
            "model",
        ),
        ({"file": b"not audio"}, openai.UnprocessableEntityError, "file: ", "file"),
        (
            {"response_format": "diarized_json"},
            openai.UnprocessableEntityError,
            "must be one of json",
            "response_format",
        ),
        (
            {"temperature": 2},
            openai.UnprocessableEntityError,
            "temperature must be a number, at least 0 and at most 1",
            "temperature",
        ),
        (
            {"timestamp_granularities": ["word"]},
            openai.UnprocessableEntityError,
            "timestamp_granularities can have word if response_format is verbose_json; got json",
            "timestamp_granularities",
        ),
        ({"include": ["logprobs"]}, openai.UnprocessableEntityError, "there is no field 'include", "include[]"),
        ({"chunking_strategy": {"type": "server_vad"}}, openai.UnprocessableEntityError, "chunking_strategy", None),
        ({"prompt": "Łódź"}, openai.UnprocessableEntityError, "hot word 'Łódź' has characters that", None),
        (
            {"extra_body": {"beams": 1}, "keywords": ["rhino"]},
            openai.UnprocessableEntityError,
            "beams must be at least 2 with hot words",
            "beams",
        ),
        (
            {"stream": True, "response_format": "srt"},
            openai.UnprocessableEntityError,
            "stream needs response_format",
            "stream",
        ),
        ({"extra_body": {"lm": "/etc/passwd"}}, openai.UnprocessableEntityError, "there is no field 'lm'", "lm"),
    ],
)
def test_a_mistake_is_the_error_of_the_client(client, fields, error, message, param):
    with pytest.raises(error) as raised:
        client.audio.transcriptions.create(**{"file": ELEPHANT, "model": "letters", **fields})
    assert message in raised.value.message
    assert raised.value.type == "invalid_request_error"
    if param is not None:
        assert raised.value.param == param


def test_an_address_without_the_version_is_an_error_with_the_remedy(client, server_url):
    with pytest.raises(openai.NotFoundError, match=r"no such endpoint\. Most paths begin with /v1"):
        client.with_options(base_url=server_url).models.list()


def test_a_long_recording_gives_way_and_ends_with_its_stream(client, speaking_app):
    services = speaking_app.state.services
    samples = np.tile(load_waveform(ELEPHANT).samples, 200)
    assert len(samples) / 16_000 > services.limits.max_seconds
    content = encode_waveform(samples, ".flac", sampling_rate=16_000, title="", about={})
    stream = client.audio.transcriptions.create(file=content, model="letters", stream=True, extra_body={"window": 1})
    assert next(iter(stream)).type == "transcript.text.delta"
    lane = next(lane for entry, lane in services.registry.lanes.items() if entry.name == "letters")
    before = lane.counts.cancelled
    assert client.audio.transcriptions.create(file=ELEPHANT, model="letters").text
    assert lane.running == 1  # the long one goes on
    assert list(services.storage.uploads.iterdir())
    stream.close()
    end_s = time.monotonic() + 10
    while lane.counts.cancelled == before or list(services.storage.uploads.iterdir()):
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_server_without_a_recognizer_names_the_remedy(make_client):
    from photism.server.engine.registry import ModelRegistry
    from photism.server.settings import LimitSettings

    client = make_client(ModelRegistry((), LimitSettings()))
    answer = client.post("/v1/audio/transcriptions", files={"file": ELEPHANT.read_bytes()})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == (
        "This server has no recognizer model. Start it with --add NAME=facebook/wav2vec2-base-960h."
    )


def test_a_recording_may_be_base64(speaking_registry, make_client, transcript):
    body = {"file": base64.b64encode(ELEPHANT.read_bytes()).decode(), "response_format": "text"}
    answer = make_client(speaking_registry).post("/v1/audio/transcriptions", json=body)
    assert (answer.headers["content-type"], answer.text) == ("text/plain; charset=utf-8", f"{transcript.text}\n")


def test_an_error_within_a_stream_is_raised_by_the_client(client):
    stream = client.audio.transcriptions.create(file=ELEPHANT, model="letters", stream=True, prompt="Łódź")
    with pytest.raises(openai.APIError, match="hot word 'Łódź' has characters that the model cannot predict"):
        list(stream)


@pytest.mark.parametrize(
    ("format_", "rate"), [("mp3", 16_000), ("opus", 48_000), ("aac", 16_000), ("flac", 16_000), ("wav", 16_000)]
)
def test_speech_is_generated(client, format_, rate):
    answer = client.audio.speech.create(
        input="hello there",
        model="voice",
        voice="alloy",
        response_format=format_,
        extra_body={"steps": 1, "seconds": 1.28},
    )
    from photism.audio.original import load_original

    found = load_original(answer.read())
    assert found.sampling_rate == rate
    assert found.samples.shape[1] / rate == pytest.approx(1.28, abs=0.15)


def test_pcm_is_at_24_khz_and_speed_changes_the_length(client):
    def speak(**fields):
        answer = client.audio.speech.create(
            input="hello", model="voice", response_format="pcm", extra_body={"steps": 1, "seconds": 1.28}, **fields
        )
        return np.frombuffer(answer.read(), "<i2")

    plain, fast = speak(voice="A woman is speaking"), speak(voice="A woman is speaking", speed=2.0)
    assert len(plain) == 1.28 * 24_000
    assert len(fast) == pytest.approx(len(plain) / 2, rel=0.1)
    assert not np.array_equal(plain, speak(voice="A woman is speaking", instructions="Slowly"))


def test_the_names_of_voices_stand_for_a_neutral_one():
    prompts = {SpeechFields(input="hello", voice=voice).prompt for voice in ("alloy", "Nova", NEUTRAL_VOICE)}
    assert prompts == {NEUTRAL_VOICE}
    described = SpeechFields(input="hello", voice="A man is speaking", instructions="He whispers")
    assert described.prompt == "A man is speaking. He whispers"


@pytest.mark.parametrize(
    ("fields", "message", "param"),
    [
        ({"model": "tiny-sound"}, "model must generate speech, and tiny-sound does not; anhnct/", "model"),
        ({"input": " "}, "input must have words to speak", "input"),
        ({"speed": 5}, "speed must be a number, at least 0.25 and at most 4; got 5", "speed"),
        (
            {"response_format": "m4a"},
            "response_format must be one of mp3, opus, aac, flac, wav, pcm",
            "response_format",
        ),
        ({"stream_format": "sse"}, "stream_format must be", "stream_format"),
        ({"input": "word " * 40}, "input must have at most 30 phonemes", "input"),
        (
            {"extra_body": {"seconds": 60, "candidates": 2}},
            "seconds times the number of texts and candidates must be",
            "seconds",
        ),
    ],
)
def test_speech_that_cannot_be_generated_is_an_error(client, fields, message, param):
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        client.audio.speech.create(**{"input": "hello", "model": "voice", "voice": "alloy", **fields})
    assert message in raised.value.message
    assert raised.value.param == param
