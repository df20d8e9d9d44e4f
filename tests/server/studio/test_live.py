"""The tab Live: pictures follow a microphone or the shared recording, in any window, and whatever breaks."""

import json
import re
import time
import wave
from typing import Any

import av
import numpy as np
import pytest
import soxr

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.waveform import load_waveform
from photism.hub import bundled_model
from tests.server.studio.test_recording import choose_file, encoded, shown_name, tones, wav
from tests.support.browsers import LONG_WAIT_MS, WAIT_MS

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
expect = sync_api.expect

MICROPHONE_RATE = 48_000
FAKE_MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
LIVE_URL = re.compile("/v1/live/drawing$")
OTHER_PIXELS = """
  (first) => {
    const canvas = document.querySelector("canvas.live-drawing");
    return first === null ? canvas.toDataURL() : canvas.toDataURL() !== first;
  }
"""


@pytest.fixture(scope="module")
def speaking(launch: Any, tmp_path_factory: Any) -> Any:
    """Return a browser whose microphone says elephant again and again."""
    word = load_waveform(bundled_model() / "examples/elephant.en.ogg").samples
    samples = np.concatenate([word, np.zeros(SAMPLING_RATE, np.float32)])
    path = tmp_path_factory.mktemp("microphone") / "elephant.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MICROPHONE_RATE)
        file.writeframes((soxr.resample(samples, SAMPLING_RATE, MICROPHONE_RATE) * 2**15).astype("<i2").tobytes())
    return launch(*FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={path}")


@pytest.fixture
def live(open_studio: Any, speaking: Any) -> Any:
    """Return the tab, in a browser with that microphone."""
    return open_studio("#live", launched=speaking)


def button(page: Any, name: Any) -> Any:
    return page.get_by_role("tabpanel").get_by_role("button", name=name, exact=True)


def status(page: Any) -> Any:
    return page.locator("#panel-live .run-status")


def picture(page: Any, caption: Any) -> Any:
    return page.get_by_role("img", name=f"Live picture: {caption}")


def start(page: Any) -> None:
    button(page, "Start").click()
    expect(picture(page, "An elephant")).to_be_visible(timeout=LONG_WAIT_MS)  # the model is loaded first


def wait_until_filmed(page: Any, seconds: Any) -> None:
    """Wait until a film is at least so long; a busy page may show the seconds after these first."""
    shown = 'document.querySelector(".live-buttons .is-recording")?.textContent'
    page.wait_for_function(f"(least) => Number(/\\d+/.exec({shown})?.[0]) >= least", arg=seconds)


def messages_of(page: Any, event: str) -> list[Any]:
    """Return a list to which the messages of WebSockets that the page opens from now on are added."""
    found: list[Any] = []

    def add(data: Any) -> None:
        found.append(data)

    def listen(socket: Any) -> None:
        socket.on(event, add)

    page.on("websocket", listen)
    return found


def wait_for_other_pixels(page: Any) -> None:
    first = page.evaluate(OTHER_PIXELS, None)
    page.wait_for_function(OTHER_PIXELS, arg=first)


def test_the_recording_is_drawn_at_its_own_pace(studio: Any) -> None:
    studio.get_by_role("button", name="elephant English").click()
    studio.get_by_role("tab", name="Live").click()
    studio.get_by_label("The recording above, at its own pace").check()
    start(studio)
    expect(button(studio, "Start")).to_be_visible()  # it has ended by itself
    expect(picture(studio, "An elephant")).to_be_visible()
    expect(studio.get_by_role("alert")).to_have_count(0)


@pytest.mark.slow
def test_without_a_recording_the_page_says_what_to_do(studio: Any) -> None:
    studio.get_by_role("tab", name="Live").click()
    studio.get_by_label("The recording above, at its own pace").check()
    button(studio, "Start").click()
    expect(studio.get_by_role("alert")).to_contain_text("Record something first")
    expect(button(studio, "Start")).to_be_enabled()


TRIM = """
async ([startS, endS]) => {
  const load = (name) => import(new URL(name, document.querySelector("script[type=module]").src));
  const { recording } = await load("recording/recording.js");
  recording.trim(startS, endS);
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["browser.wav", "server.aiff"])
def test_a_trimmed_recording_ends_once_at_its_end(studio: Any, name: Any) -> None:
    sent, received = messages_of(studio, "framesent"), messages_of(studio, "framereceived")
    data = wav(tones()) if name == "browser.wav" else encoded("aiff", "pcm_s16be")
    choose_file(studio, name, data)
    expect(shown_name(studio)).to_have_text(name)
    studio.evaluate(TRIM, [0.1, 0.7])
    studio.get_by_role("tab", name="Live").click()
    studio.get_by_label("The recording above, at its own pace").check()
    button(studio, "Start").click()
    expect(button(studio, "Stop")).to_be_visible()
    expect(button(studio, "Start")).to_be_visible()
    settings, *messages = sent
    assert [json.loads(each) for each in messages if isinstance(each, str)] == [{"type": "end"}]
    assert isinstance(messages[-1], str)
    samples = np.frombuffer(b"".join(messages[:-1]), "<i2")
    played = np.flatnonzero(samples)
    seconds = (played[-1] - played[0]) / json.loads(settings)["sampling_rate"]
    assert seconds == pytest.approx(0.6, abs=0.01 if name == "browser.wav" else 0.1)
    assert [each for each in received if isinstance(each, str) and "problem" in each] == []
    expect(studio.get_by_role("alert")).to_have_count(0)


@pytest.mark.slow
def test_the_microphone_is_drawn_until_stop(live: Any) -> None:
    start(live)
    wait_for_other_pixels(live)
    expect(status(live)).to_contain_text(re.compile(r"\d s behind, \S+ pictures? a second"))
    expect(live.locator(".live-caption", has_text="An elephant")).to_be_hidden()
    live.keyboard.press("c")
    expect(live.locator(".live-caption", has_text="An elephant")).to_be_visible()
    button(live, "Caption").click()
    expect(live.locator(".live-caption", has_text="An elephant")).to_be_hidden()
    button(live, "Stop").click()
    expect(button(live, "Start")).to_be_focused()
    expect(status(live)).to_have_text("")
    live.get_by_role("tab", name="Hear").click()  # keys are those of the tab
    live.keyboard.press("f")
    assert live.evaluate("document.fullscreenElement") is None


@pytest.mark.slow
def test_a_film_has_pictures_and_sound_and_is_kept(live: Any) -> None:
    start(live)
    begun = time.monotonic()
    button(live, "Record a film").click()
    wait_until_filmed(live, 2)
    live.keyboard.press("r")
    with live.expect_download() as download:
        button(live, "Download").click()
    longest_s = time.monotonic() - begun + 0.5
    assert re.fullmatch(r"Live - An elephant - seed 0\.(webm|mp4)", download.value.suggested_filename)
    with av.open(download.value.path()) as film:
        assert 2 <= film.duration / av.time_base <= longest_s
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert frames[0].shape == (512, 512, 3)
        assert any(np.abs(frame.astype(int) - frames[0]).max() > 30 for frame in frames[1:])
    with av.open(download.value.path()) as film:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in film.decode(audio=0)])
        assert np.abs(samples).max() > 0.05
    expect(button(live, "Stop")).to_be_visible()  # it goes on
    expect(live.locator("#history").get_by_text("An elephant")).to_be_visible()


@pytest.mark.slow
def test_stop_ends_the_film(live: Any) -> None:
    start(live)
    button(live, "Record a film").click()
    wait_until_filmed(live, 1)
    button(live, "Stop").click()
    expect(live.get_by_label("Film of a live drawing: An elephant")).to_be_visible()


@pytest.mark.slow
def test_a_film_that_is_wanted_before_there_is_sound_begins_with_it(live: Any) -> None:
    button(live, "Start").click()
    live.keyboard.press("r")
    expect(live.get_by_text("The film is being recorded.")).to_be_attached()
    button(live, "Stop").click()
    expect(button(live, "Download")).to_be_visible()


@pytest.mark.slow
def test_a_film_ends_at_its_longest_and_is_shown_where_it_cannot_be_kept(live: Any) -> None:
    live.evaluate("""async () => {
      const address = document.querySelector("script[type=module]").src;
      const { history } = await import(new URL("history/history.js", address));
      history.add = () => { throw new RangeError("no memory"); };
    }""")
    start(live)
    live.keyboard.press("r")
    wait_until_filmed(live, 1)
    live.evaluate("() => { const now = performance.now.bind(performance); performance.now = () => now() + 600_000; }")
    expect(live.locator(".live-film")).to_contain_text("The film has ended: it can be at most 10 minutes long.")
    expect(button(live, "Download")).to_be_visible()
    expect(live.get_by_role("alert")).to_be_visible()
    expect(button(live, "Stop")).to_be_visible()  # it goes on


@pytest.mark.slow
def test_again_takes_the_place_of_the_microphone(live: Any) -> None:
    start(live)
    live.keyboard.press("r")
    wait_until_filmed(live, 1)
    live.keyboard.press("r")
    expect(button(live, "Download")).to_be_visible()
    live.get_by_role("listbox", name="What you made").get_by_role("option").click()
    live.locator(".history-details").get_by_role("button", name="Once more").click()
    expect(live.get_by_label("The recording above, at its own pace")).to_be_checked()
    expect(button(live, "Start")).to_be_visible()  # it has ended by itself, as a microphone does not
    expect(live.get_by_role("alert")).to_have_count(0)


@pytest.mark.slow
def test_full_screen_by_key_and_button(live: Any) -> None:
    live.keyboard.press("f")
    live.wait_for_function("document.fullscreenElement?.classList.contains('live-stage')")
    expect(live.locator(".live-stage")).to_contain_class("is-quiet")  # though nothing has moved
    live.mouse.move(100, 100)
    button(live, "Leave full screen").click()
    live.wait_for_function("document.fullscreenElement === null")
    expect(button(live, "Full screen")).to_be_visible()
    live.get_by_text("Settings", exact=True).click()
    live.get_by_label("Seed").press("f")  # a key in a field is none of the tab
    assert live.evaluate("document.fullscreenElement") is None


@pytest.mark.slow
def test_settings_change_while_it_runs_and_wrong_ones_do_not_end_it(open_studio: Any, speaking: Any) -> None:
    live = open_studio("#live", launched=speaking)
    sent = messages_of(live, "framesent")
    start(live)
    live.get_by_text("Settings", exact=True).click()
    live.get_by_label("Zoom").fill("0.5")
    live.get_by_label("Zoom").blur()
    wait_until(live, lambda: [each.get("zoom") for each in given(sent)] == [None, 0.5])
    wait_for_other_pixels(live)
    live.get_by_text("All settings", exact=True).click()
    place = live.locator("#panel-live [data-field=text_place] input")
    place.fill("nowhere")
    place.blur()
    expect(live.get_by_role("alert")).to_be_visible()
    wait_for_other_pixels(live)
    expect(button(live, "Stop")).to_be_visible()


def given(sent: Any) -> Any:
    """Return the settings among the messages that were sent."""
    return [json.loads(data) for data in sent if isinstance(data, str)]


def wait_until(page: Any, condition: Any) -> None:
    for _ in range(WAIT_MS // 100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not happen in time")


@pytest.mark.slow
def test_a_connection_that_breaks_is_opened_again(open_studio: Any, speaking: Any) -> None:
    live = open_studio("#live", launched=speaking)
    sockets = []

    def route(socket: Any) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    live.route_web_socket(LIVE_URL, route)
    start(live)
    sockets[-1].close(code=1012)
    expect(status(live)).to_contain_text("Trying again")
    expect(picture(live, "An elephant")).to_be_visible()  # the picture stays
    expect(status(live)).to_contain_text("a second")
    wait_for_other_pixels(live)
    assert len(sockets) == 2


@pytest.mark.slow
def test_too_many_live_connections_are_said_and_tried_again(open_studio: Any, speaking: Any) -> None:
    live = open_studio("#live", launched=speaking)
    sockets = []

    def refuse_once(socket: Any) -> None:
        sockets.append(socket)
        if len(sockets) > 1:
            socket.connect_to_server()
            return
        problem = {"type": "/problems/too-many-live-connections", "title": "Full.", "status": 503, "detail": "Full."}
        socket.send(json.dumps({"type": "error", "problem": problem}))
        socket.close(code=4503)

    live.route_web_socket(LIVE_URL, refuse_once)
    button(live, "Start").click()
    expect(status(live)).to_contain_text("Too many visitors draw live at once. Trying again")
    expect(picture(live, "An elephant")).to_be_visible()


@pytest.mark.slow
def test_a_server_without_time_for_pictures_is_called_busy(open_studio: Any, speaking: Any) -> None:
    live = open_studio("#live", launched=speaking)

    def only_begin(socket: Any) -> None:
        ready = json.dumps({"type": "ready"})

        def answer(message: Any) -> None:
            if isinstance(message, str):  # the settings
                socket.send(ready)

        socket.on_message(answer)

    live.route_web_socket(LIVE_URL, only_begin)
    button(live, "Start").click()
    expect(status(live)).to_have_text("The server is busy: pictures come late.")


@pytest.mark.slow
def test_a_hidden_tab_closes_the_microphone_after_a_while(open_studio: Any, speaking: Any) -> None:
    live = open_studio("#live", launched=speaking)
    start(live)
    live.evaluate("""() => {
      const wait = setTimeout;
      globalThis.setTimeout = (action, milliseconds) => wait(action, milliseconds / 60);
      Object.defineProperty(document, "hidden", {get: () => true});
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect(live.get_by_role("alert")).to_contain_text("out of sight for a minute")
    expect(button(live, "Start")).to_be_visible()


@pytest.mark.slow
def test_a_visitor_who_does_not_allow_the_microphone_reads_how_to(launch: Any, open_studio: Any) -> None:
    live = open_studio("#live", launched=launch("--deny-permission-prompts"))
    button(live, "Start").click()
    expect(live.get_by_role("alert")).to_contain_text(re.compile("microphone", re.IGNORECASE))
    expect(button(live, "Start")).to_be_enabled()


@pytest.mark.slow
def test_on_a_phone_the_picture_is_in_sight_when_it_comes(open_studio: Any, speaking: Any) -> None:
    live = open_studio("#live", launched=speaking, width=390, height=844, has_touch=True)
    start(live)
    expect(picture(live, "An elephant")).to_be_in_viewport(ratio=0.7)
    assert live.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_a_link_opens_the_model_that_was_chosen(open_studio: Any) -> None:
    page = open_studio("#live?seed=3&model=other")
    models = [{"id": name, "kinds": ["drawing"], "loras": [], "images": []} for name in ("tiny", "other")]

    def answer(route: Any) -> None:
        route.fulfill(json={"data": models})

    page.route("**/v1/models", answer)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(page.locator(".live-settings select").first).to_have_value("other")
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.locator(".live-settings").get_by_role("button", name="Copy link").click()
    assert page.evaluate("window.copied").endswith("#live?seed=3&model=other")
