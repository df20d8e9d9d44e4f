"""The recording that all tabs share: from a microphone, a file or an example, shown, trimmed and sent."""

import base64
import io
import re
import struct
import wave

import av
import numpy as np
import pytest

from photism.audio.sources import SoundFile
from photism.audio.waveform import load_waveform
from photism.hub import bundled_model

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
expect = sync_api.expect

RATE = 22_050
START, END = "Start of the part that is used", "End of the part that is used"
FILE_FROM_PAGE = """
  const {recording} = await load("recording/recording.js");
  const file = await recording.file();
  const bytes = new Uint8Array(await file.arrayBuffer());
  return [file.name, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))];
"""
REFUSED = "the server responded with a status of 422"


def in_page(page, script, argument=None):
    """Run the body of an asynchronous function, which can load modules of the page, and return its result."""
    load = "const load = (name) => import(new URL(name, document.querySelector('script[type=module]').src));"
    return page.evaluate(f"async (argument) => {{ {load} {script} }}", argument)


def file_from_page(page):
    """Return the name and the bytes of the file that a tab would send."""
    name, data = in_page(page, FILE_FROM_PAGE)
    return name, base64.b64decode(data)


def choose_file(page, name, data, mime_type="application/octet-stream"):
    page.locator("#recording input[type=file]").set_input_files({"name": name, "mimeType": mime_type, "buffer": data})


def shown_name(page):
    return page.locator(".recording-name")


def shown_time(page):
    return page.locator(".recording-time")


def tones(seconds=2.0, rate=RATE):
    """Return 16-bit samples (2, T) of tones that rise, another one in each channel."""
    times = np.arange(int(rate * seconds)) / rate
    waves = [0.5 * np.sin(2 * np.pi * (hertz + 100 * times) * times) for hertz in (200, 700)]
    return np.rint(np.stack(waves) * 2**15).astype(np.int16)


def wav(samples, rate=RATE):
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(len(samples))
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(samples.T.astype("<i2").tobytes())
    return file.getvalue()


def encoded(container_format, codec, *, seconds=2.0, rate=RATE, video=None, size=64, samples=None):
    """Return a file that holds `tones` or samples (2, T), perhaps with pictures of noise."""
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        sound = container.add_stream(codec, rate=rate, layout="stereo")
        sound.bit_rate = 64_000
        pictures = container.add_stream(video, rate=5) if video else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt, pictures.bit_rate = size, size, "yuv420p", 40_000 * size
            for seed in range(int(5 * seconds)):
                noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
            container.mux(pictures.encode())
        given = tones(seconds, rate) if samples is None else samples
        interleaved = np.ascontiguousarray(given.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, "s16", "stereo")
        frame.sample_rate = rate
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return file.getvalue()


def read_wav(data):
    with wave.open(io.BytesIO(data)) as file:
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.reshape(-1, file.getnchannels()).T, file.getframerate()


def test_an_example_is_shown_and_sent_as_it_is(studio):
    studio.get_by_role("button", name=re.compile("elephant")).click()
    expect(shown_name(studio)).to_have_text("elephant.en.ogg")
    original = (bundled_model() / "examples" / "elephant.en.ogg").read_bytes()
    assert file_from_page(studio) == ("elephant.en.ogg", original)
    expect(shown_time(studio)).to_have_text(re.compile(rf"/ 0:0{load_waveform(SoundFile(original)).duration_s:.1f}"))
    studio.wait_for_function("document.querySelector('.waveform-canvas').toDataURL().length > 2000")
    studio.get_by_role("button", name="Remove").click()
    expect(studio.get_by_text("Record something")).to_be_visible()


def test_the_ends_are_trimmed_by_keys_and_the_part_is_sent_as_it_was(studio):
    samples = tones()
    choose_file(studio, "tones.wav", wav(samples), "audio/wav")
    expect(shown_name(studio)).to_have_text("tones.wav")
    assert file_from_page(studio)[1] == wav(samples)
    start, end = (studio.get_by_role("slider", name=name) for name in (START, END))
    start.press("ArrowRight")
    start.press("Shift+ArrowRight")
    end.press("ArrowLeft")
    expect(start).to_have_attribute("aria-valuetext", "starts at 1.1 s")
    expect(end).to_have_attribute("aria-valuetext", "ends at 1.9 s")
    expect(shown_time(studio)).to_have_text(re.compile("0:00.0 / 0:00.8.* of .*0:02.0"))
    name, data = file_from_page(studio)
    part, rate = read_wav(data)
    assert (name, rate) == ("tones.wav", RATE)
    expected = samples[:, round(1.1 * RATE) : round(1.9 * RATE)]
    np.testing.assert_allclose(part, expected, atol=1)  # Chromium's full scale is 32767 above zero, and 32768 below
    studio.get_by_role("button", name="Whole recording").click()
    assert file_from_page(studio)[1] == wav(samples)


@pytest.mark.slow
def test_the_ends_are_dragged_and_a_click_seeks(studio):
    choose_file(studio, "tones.wav", wav(tones()), "audio/wav")
    position = studio.get_by_role("slider", name="Position in the recording")
    place = position.bounding_box()
    handle = studio.get_by_role("slider", name=START)
    handle.hover()
    studio.mouse.down()
    studio.mouse.move(place["x"] + place["width"] / 2, place["y"] + 20, steps=3)
    studio.mouse.up()
    expect(handle).to_have_attribute("aria-valuetext", "starts at 1 s")
    position.click(position={"x": 0.75 * place["width"], "y": 20})
    expect(position).to_have_attribute("aria-valuetext", "0:01.5")


@pytest.mark.slow
def test_the_part_is_played_and_no_more(studio):
    choose_file(studio, "tones.wav", wav(tones()), "audio/wav")
    studio.get_by_role("slider", name=START).press("Shift+ArrowRight")
    for _ in range(7):
        studio.get_by_role("slider", name=END).press("ArrowLeft")
    times = """
      const {recording} = await load("recording/recording.js");
      const times = [];
      recording.addEventListener("time", () => times.push(recording.currentTime));
      const ended = new Promise((resolve) => recording.addEventListener("pause", resolve));
      document.querySelector(".recording-controls button").click();
      await ended;
      return times;
    """
    found = in_page(studio, times)
    assert len(found) >= 3
    assert min(found) >= 0.99
    assert max(found) < 1.45


def record(page, early):
    """Record until the time that is shown does not match a pattern any more."""
    panel = page.locator("#recording")
    panel.get_by_role("button", name="Record", exact=True).click()
    expect(panel.locator(".live-time")).not_to_have_text(re.compile(early))
    panel.get_by_role("button", name="Stop", exact=True).click()


def test_a_microphone_recording_is_kept_and_the_page_is_notified(studio):
    in_page(
        studio,
        "const { recording } = await load('recording/recording.js');"
        "recording.addEventListener('change', () => (window.origin_ = recording.current.origin));",
    )
    record(studio, "0:00")  # the browser's microphone beeps each second
    expect(shown_name(studio)).to_have_text(re.compile(r"^Recording .*\.wav$"))
    assert studio.evaluate("window.origin_") == "microphone"
    samples, _ = read_wav(file_from_page(studio)[1])
    assert len(samples) == 1
    assert abs(samples).max() > 1000


KEEP_CONSTRAINTS = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (constraints) => open(window.constraints = constraints);
"""


@pytest.mark.slow
def test_all_recorders_share_the_settings_of_the_microphone(open_studio):
    page = open_studio(init_script=KEEP_CONSTRAINTS)
    page.get_by_role("button", name="Settings of the microphone").click()
    page.get_by_label("Remove noise and echo").check()
    mixing = page.locator(".mixing")
    mixing.locator("summary").click()
    mixing.get_by_role("button", name="Record", exact=True).click()
    mixing.get_by_role("button", name="Stop", exact=True).click(delay=500)
    assert page.evaluate("window.constraints.audio.noiseSuppression") is True


SILENT_MICROPHONE = """() => {
  navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
}"""
KEPT_MICROPHONE = """() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => (window.microphone = await open(wanted));
}"""
UNPLUG = "() => microphone.getAudioTracks()[0].dispatchEvent(new Event('ended'))"


@pytest.mark.slow
def test_a_silent_recording_does_not_replace_another(studio):
    choose_file(studio, "tones.wav", wav(tones(0.5)), "audio/wav")
    expect(shown_name(studio)).to_have_text("tones.wav")
    studio.evaluate(SILENT_MICROPHONE)
    record(studio, "0:00.[0-2]")
    expect(studio.get_by_role("alert")).to_have_text("Nothing was recorded: is the microphone muted?")
    assert file_from_page(studio) == ("tones.wav", wav(tones(0.5)))


ASKED_MICROPHONES = """
  window.asked = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) => {
    asked.push(wanted.audio.deviceId?.exact ?? null);
    return open({audio: true});
  };
  navigator.mediaDevices.enumerateDevices = async () =>
    ["default", "one", "two"].map((deviceId) => ({kind: "audioinput", deviceId, label: deviceId}));
"""


@pytest.mark.slow
def test_the_microphone_is_that_of_the_system_until_another_is_chosen(open_studio):
    page = open_studio(init_script=ASKED_MICROPHONES)
    record(page, "0:00.[0-2]")
    page.get_by_role("button", name="Settings of the microphone").click()
    choice = page.locator(".microphone-options select")
    expect(choice.locator("option").nth(1)).to_be_attached()
    expect(choice).to_have_value("")
    page.get_by_label("Remove noise and echo").check()
    record(page, "0:00.[0-2]")
    choice.select_option(index=1)
    record(page, "0:00.[0-2]")
    choice.select_option("")
    record(page, "0:00.[0-2]")
    assert page.evaluate("asked") == [None, None, "one", None]


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["{", "null", '"noise"', '{"deviceId": 5, "isProcessed": "yes"}'])
def test_a_choice_of_the_microphone_that_cannot_be_read_is_none(open_studio, stored):
    page = open_studio(init_script=ASKED_MICROPHONES + f"localStorage.setItem('photism.microphone', {stored!r});")
    record(page, "0:00.[0-2]")
    assert page.evaluate("asked") == [None]
    expect(page.get_by_label("Remove noise and echo")).not_to_be_checked()


@pytest.mark.slow
def test_what_an_unplugged_microphone_recorded_is_kept(studio):
    panel = studio.locator("#recording")
    studio.evaluate(KEPT_MICROPHONE)
    panel.get_by_role("button", name="Record", exact=True).click()
    expect(panel.locator(".live-time")).not_to_have_text(re.compile("0:00.[0-4]"))
    studio.evaluate(UNPLUG)
    expect(panel.get_by_role("status").filter(has_text="unplugged")).to_be_visible()
    expect(shown_name(studio)).to_have_text(re.compile("^Recording"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotAllowedError", "does not let this page use the microphone"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "Another program may be using it"),
        (None, "Browsers give the microphone to secure pages only"),
    ],
)
def test_a_microphone_that_cannot_be_used_is_explained(studio, error, words):
    if error is None:
        studio.evaluate("""() => {
          Object.defineProperty(navigator, "mediaDevices", {value: undefined});
          Object.defineProperty(window, "isSecureContext", {value: false});
        }""")
    else:
        refuse = "(name) => (navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); })"
        studio.evaluate(refuse, error)
    studio.locator("#recording").get_by_role("button", name="Record", exact=True).click()
    expect(studio.get_by_role("alert").filter(has_text=words)).to_be_visible()
    expect(studio.locator("#recording").get_by_role("button", name="Record", exact=True)).to_be_enabled()


@pytest.mark.slow
def test_a_visitor_who_does_not_allow_the_microphone_reads_how_to(launch, open_studio):
    page = open_studio(launched=launch("--deny-permission-prompts"))
    page.locator("#recording").get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("microphone", re.IGNORECASE))).to_be_visible()


@pytest.mark.slow
def test_the_microphone_is_recorded_without_loss(launch, open_studio, tmp_path):
    path = tmp_path / "spoken.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000 * 3)
    path.write_bytes(wav(np.rint(noise[None] * 2**15).astype(np.int16), 48_000))
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    page = open_studio(launched=launch(*flags, f"--use-file-for-fake-audio-capture={path}"))
    record(page, "0:00")
    expect(shown_name(page)).to_have_text(re.compile("^Recording"))
    found = load_waveform(SoundFile(file_from_page(page)[1])).samples
    expected = np.tile(load_waveform(SoundFile(path)).samples, 2)
    part = found[4000:12_000]
    similarity = np.correlate(expected, part) / np.linalg.norm(part)
    best = similarity.argmax()
    assert similarity[best] / np.linalg.norm(expected[best : best + len(part)]) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "container_format", "codec", "video"),
    [
        ("a.mp3", "mp3", "mp3", None),
        ("a.mp4", "mp4", "aac", "mpeg4"),
        ("a.mkv", "matroska", "mp2", "mpeg4"),
        ("a.aiff", "aiff", "pcm_s16be", None),
        ("a.wma", "asf", "wmav2", None),
        ("a.caf", "caf", "pcm_s16le", None),
    ],
)
def test_any_file_with_sound_is_shown_trimmed_and_sent_as_it_is(studio, name, container_format, codec, video):
    data = encoded(container_format, codec, video=video)
    choose_file(studio, name, data)
    expect(shown_name(studio)).to_have_text(name)
    expect(shown_time(studio)).to_have_text(re.compile(r"/ 0:02\.[01]"))
    assert file_from_page(studio) == (name, data)
    studio.get_by_role("slider", name=START).press("Shift+ArrowRight")
    sent, part = file_from_page(studio)
    assert sent == "a.wav"
    found = load_waveform(SoundFile(part)).samples
    expected = load_waveform(SoundFile(data)).samples[16_000:]
    count = min(len(found), len(expected)) - 2000
    shifted = [found[at : at + count] @ expected[1000 : 1000 + count] for at in range(2000)]  # codecs add a beginning
    at = int(np.argmax(shifted))
    norms = np.linalg.norm(found[at : at + count]) * np.linalg.norm(expected[1000 : 1000 + count])
    assert shifted[at] / norms > 0.98


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "words"), [(b"\x00no sound\xff" * 50, "cannot be read"), (b"", "is empty"), (None, "has no sound")]
)
def test_a_file_without_sound_is_explained_and_the_recording_stays(open_studio, data, words):
    studio = open_studio(allowed_errors=(REFUSED,))
    if data is None:
        file = io.BytesIO()
        with av.open(file, "w", format="mp4") as container:
            pictures = container.add_stream("mpeg4", rate=5)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
            container.mux(pictures.encode(av.VideoFrame(64, 64, "yuv420p")))
            container.mux(pictures.encode())
        data = file.getvalue()
    choose_file(studio, "tones.wav", wav(tones(0.5)), "audio/wav")
    expect(shown_name(studio)).to_have_text("tones.wav")
    choose_file(studio, "bad.mp4", data)
    expect(studio.get_by_role("alert").filter(has_text=f"bad.mp4 {words}")).to_be_visible()
    assert file_from_page(studio)[0] == "tones.wav"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["browser.wav", "server.aiff"])
def test_the_waveform_shows_where_the_sound_is(studio, name):
    samples = tones()
    samples[:, : samples.shape[1] // 2] //= 100
    samples[0] //= 100  # the loudest channel counts in the page, and the server mixes them
    data = wav(samples) if name == "browser.wav" else encoded("aiff", "pcm_s16be", samples=samples)
    choose_file(studio, name, data)
    expect(shown_name(studio)).to_have_text(name)
    script = """
      const {peaks, buffer} = (await load("recording/recording.js")).recording.current;
      return [Array.from(peaks.low), Array.from(peaks.high), buffer !== null];
    """
    low, high, is_decoded_in_page = in_page(studio, script)
    assert is_decoded_in_page == (name == "browser.wav")
    loud = 0.5 if is_decoded_in_page else 0.25
    half = len(low) // 2
    assert np.abs([low[: half - 4], high[: half - 4]]).max() < loud / 50
    assert np.max(high[half + 4 :]) == pytest.approx(loud, rel=0.05)
    assert np.min(low[half + 4 :]) == pytest.approx(-loud, rel=0.05)


@pytest.mark.slow
def test_an_answer_without_its_length_is_shown_too(studio):
    studio.evaluate("""() => {
      const request = window.fetch;
      window.fetch = async (address, options) => {
        const response = await request(address, options);
        return address.endsWith("decode") ? new Response(response.body) : response;
      };
    }""")
    choose_file(studio, "a.aiff", encoded("aiff", "pcm_s16be"))
    expect(shown_time(studio)).to_have_text(re.compile("/ 0:02.0"))


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_explained_and_the_recording_stays(open_studio):
    studio = open_studio(allowed_errors=("ERR_",))
    choose_file(studio, "tones.wav", wav(tones(0.5)), "audio/wav")
    expect(shown_name(studio)).to_have_text("tones.wav")
    studio.route("**/v1/decode", lambda route: route.abort())
    choose_file(studio, "a.aiff", encoded("aiff", "pcm_s16be"))
    expect(studio.get_by_role("alert").filter(has_text="The server does not answer")).to_be_visible()
    assert file_from_page(studio) == ("tones.wav", wav(tones(0.5)))


def limited(page, **limits):
    """Let the page believe that the server has other limits."""

    def answer(route):
        response = route.fetch()
        context = response.json()
        context["limits"] |= limits
        route.fulfill(response=response, json=context)

    page.route("**/studio/context.json", answer)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")


@pytest.mark.slow
def test_a_recording_that_is_too_long_can_be_cut_to_the_limit(studio):
    limited(studio, max_seconds=1)
    choose_file(studio, "tones.wav", wav(tones()), "audio/wav")
    expect(studio.get_by_text("Too long: at most 1 s.")).to_be_visible()
    refused = (
        "const {recording} = await load('recording/recording.js'); "
        "try { await recording.require(); } catch (problem) { return problem.type; }"
    )
    assert in_page(studio, refused) == "too-long"
    studio.get_by_role("tab", name="Transcribe").click()
    expect(studio.get_by_text("Too long: at most 1 s.")).to_be_hidden()
    studio.get_by_role("tab", name="Draw").click()
    studio.get_by_role("button", name="use the first 1 s").click()
    expect(studio.get_by_text("Too long: at most 1 s.")).to_be_hidden()
    assert read_wav(file_from_page(studio)[1])[0].shape == (2, RATE)


@pytest.mark.slow
def test_a_recording_stops_when_it_is_as_long_as_the_server_accepts(studio):
    limited(studio, max_upload_mb=0.1)
    studio.locator("#recording").get_by_role("button", name="Record", exact=True).click()
    expect(studio.get_by_text("The recording stopped by itself")).to_be_visible()
    assert 90_000 < len(file_from_page(studio)[1]) <= 100_000


@pytest.mark.slow
def test_of_a_video_that_is_too_large_to_be_sent_the_sound_is_sent(studio):
    limited(studio, max_upload_mb=0.5)
    data = encoded("mp4", "aac", video="mpeg4", size=512)
    assert len(data) > 500_000
    choose_file(studio, "large.mp4", data, "video/mp4")
    expect(shown_name(studio)).to_have_text("large.mp4")
    name, sent = file_from_page(studio)
    assert name == "large.wav"
    assert read_wav(sent)[0].shape[0] == 2


@pytest.mark.slow
def test_a_recording_that_is_too_large_is_refused_before_it_is_sent(studio):
    limited(studio, max_upload_mb=0.15)
    choose_file(studio, "long.wav", wav(tones()), "audio/wav")
    expect(studio.get_by_role("alert").filter(has_text="too large")).to_be_visible()


@pytest.mark.slow
def test_an_hour_is_shown_without_its_samples_in_the_page(studio):
    seconds, rate = 3600, 8000
    second = (np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 100 + 128).astype(np.uint8).tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(1)
        written.setframerate(rate)
        written.writeframes(second * seconds)
    choose_file(studio, "hour.wav", file.getvalue(), "audio/wav")
    expect(shown_time(studio)).to_have_text(re.compile("0:00.0 / 60:00.0"), timeout=60_000)
    held = (
        "const {current} = (await load('recording/recording.js')).recording; return [current.buffer, current.wav.size];"
    )
    assert in_page(studio, held) == [None, 44 + 2 * 16_000 * seconds]
    studio.get_by_role("button", name="use the first 60 s").click()
    samples, sent_rate = read_wav(file_from_page(studio)[1])
    assert (samples.shape, sent_rate) == ((1, 60 * 16_000), 16_000)


@pytest.mark.slow
def test_a_file_can_be_pasted(studio):
    paste = """
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(argument), (letter) => letter.charCodeAt(0))], "pasted.wav"));
      document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
    """
    in_page(studio, paste, base64.b64encode(wav(tones(0.5))).decode())
    expect(shown_name(studio)).to_have_text("pasted.wav")


@pytest.mark.slow
def test_sampling_rates_are_read_from_files(studio):
    files = {
        "wav": wav(tones(0.2)),
        "flac": encoded("flac", "flac", seconds=0.2),
        "vorbis": b"OggS" + bytes(24) + b"\x01vorbis" + struct.pack("<IBI", 0, 2, RATE) + bytes(20),
        "opus": encoded("ogg", "libopus", seconds=0.2, rate=48_000),
        "matroska": encoded("matroska", "mp2", seconds=0.2),
        "mp3": encoded("mp3", "mp3", seconds=0.2),
        "mp4": encoded("mp4", "aac", seconds=0.2),
        "nothing": b"no sound",
    }
    script = """
      const {samplingRate} = await load("recording/sampling_rate.js");
      const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
      return Object.fromEntries(Object.entries(argument).map(([name, text]) => [name, samplingRate(bytes(text))]));
    """
    found = in_page(studio, script, {name: base64.b64encode(data).decode() for name, data in files.items()})
    assert found == dict.fromkeys(files, RATE) | {"opus": 48_000, "nothing": 48_000}


TIMELINE = """
  const {createTimeline} = await load("recording/timeline.js");
  const {recording} = await load("recording/recording.js");
  const item = (text, startS, endS) => ({text, startS, endS, score: 0.5});
  const rows = [
    {label: "Words", items: [item("an", 0.1, 0.2), item("elephant", 0.2, 0.6)]},
    {label: "Speaker 1", items: [item("Ada", 0, 0.9)]},
  ];
  window.timeline = createTimeline({rows, durationS: recording.current.durationS, offsetS: recording.offsetS});
  recording.setTimeline(window.timeline.element);
"""


@pytest.mark.slow
def test_a_timeline_is_played_by_keys_and_pointer_and_read_as_a_table(studio):
    choose_file(studio, "tones.wav", wav(tones()), "audio/wav")
    start = studio.get_by_role("slider", name=START)
    start.press("Shift+ArrowRight")
    in_page(studio, TIMELINE)
    words = studio.get_by_role("slider", name="Words")
    expect(words).to_have_attribute("aria-valuetext", "an, 0:01.1 to 0:01.2")
    words.press("ArrowRight")
    expect(words).to_have_attribute("aria-valuetext", "elephant, 0:01.2 to 0:01.6")
    position = studio.get_by_role("slider", name="Position in the recording")
    expect(position).to_have_attribute("aria-valuetext", "0:01.6")  # it was played to its end
    assert words.bounding_box()["x"] == position.bounding_box()["x"]
    assert words.bounding_box()["width"] == position.bounding_box()["width"]
    words.click(position={"x": words.bounding_box()["width"] * 1.15 / 2, "y": 10})
    expect(words).to_have_attribute("aria-valuenow", "1")
    table = studio.get_by_role("table", name="Timeline")
    expect(table.get_by_role("row")).to_have_count(4)
    assert table.get_by_role("row").last.inner_text().split("\t") == ["Speaker 1", "Ada", "0:01.0", "0:01.9"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_panel_is_accessible(open_studio, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_studio(width=width, color_scheme=scheme)
    choose_file(page, "tones.wav", wav(tones()), "audio/wav")
    expect(shown_name(page)).to_have_text("tones.wav")
    in_page(page, TIMELINE)
    page.get_by_role("button", name="Settings of the microphone").click()
    expect(page.get_by_label("Remove noise and echo")).to_be_visible()
    expect(page.get_by_role("table", name="Timeline").get_by_role("row")).to_have_count(4)
    found = axe.Axe().run(page, context="#recording")
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
