"""photism live: films, keys, sources, and errors before a model is loaded."""

import json
import os
import sys
from threading import Event
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from photism.audio import live_input
from photism.cli import live
from photism.cli.app import app
from photism.cli.live_window import LiveWindow, fitted
from photism.drawing.live.live_film import LiveFilm
from photism.errors import InputError
from photism.prompts.settings import PipelineSettings
from tests.drawing.video.recordings import RATE, tone, write_wav
from tests.support.command_lines import with_defaults

SMALL = {"--steps": 1, "--fps": 10}


@pytest.fixture
def run(models, monkeypatch, tmp_path):
    """Return a function that runs the command in an empty folder, with a screen that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **options):
        command_line = with_defaults("live", {"--model": models / "sd", **SMALL}, arguments)
        return CliRunner().invoke(app, command_line, **options)

    return run


@pytest.fixture
def unloaded(monkeypatch):
    """Let a test fail that loads a model."""
    monkeypatch.setattr(live, "load_pipeline", lambda *_, **__: pytest.fail("loaded"))


@pytest.fixture
def sound(tmp_path):
    return write_wav(tmp_path / "tone.wav", tone(0.5))


def streams(path):
    """Return the number of frames and the duration of the sound of a film."""
    with av.open(str(path)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        return frames, samples / container.streams.audio[0].rate


def test_a_file_is_shown_and_recorded(run, sound, tmp_path):
    result = run(sound, "--record", "tone.mp4", "--caption", "--json")
    assert result.exit_code == 0, result.output
    about = json.loads(result.stdout)
    assert about["files"] == ["tone.mp4"]
    assert about["duration_s"] == 0.5
    assert 1 <= about["pictures"] <= 6
    frames, duration_s = streams(tmp_path / "tone.mp4")
    assert about["pictures_per_s"] == about["pictures"] / 0.5
    assert len(frames) == 15  # 1 s after the end
    assert frames[0].size == (16, 16)
    assert duration_s == pytest.approx(1.5, abs=1024 / RATE)  # whole packets of AAC
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tone.mp4", "tone.wav"]


@pytest.mark.slow
def test_a_pipe_is_recorded_without_a_screen(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    samples = (tone(0.3) * 32767).astype("<i2").tobytes()
    result = run("-", "--raw", "16000", "--no-display", "--record", "pipe.mp4", input=samples)
    assert result.exit_code == 0, result.output
    frames, duration_s = streams(tmp_path / "pipe.mp4")
    assert len(frames) == 13
    assert duration_s == pytest.approx(1.3, abs=2 * 1024 / RATE)


@pytest.mark.parametrize("content", [b"", b"no sound at all" * 100])
def test_a_pipe_without_sound_leaves_no_film(run, tmp_path, content):
    result = run("-", "--no-display", "--record", "pipe.mp4", input=content)
    assert "the pipe is not audio that FFmpeg can read" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_microphone_is_recorded_until_ctrl_c(run, tmp_path, monkeypatch):
    monkeypatch.setattr(live_input, "MICROPHONES", {sys.platform: ("lavfi", "sine=frequency=440:sample_rate=48000")})

    def interrupted(self):
        if self._count == 0 or self._film.duration_s == 0:
            return live.time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(live._Performance, "_wait", interrupted)
    result = run("--no-display", "--record", "sine.mp4")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Drawing the microphone. Press Ctrl-C to stop.\n")
    frames, _ = streams(tmp_path / "sine.mp4")
    assert frames


def test_an_unplugged_microphone_keeps_the_film(run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        live_input, "MICROPHONES", {sys.platform: ("lavfi", "sine=frequency=440:sample_rate=16000:duration=0.2")}
    )
    result = run("--no-display", "--record", "sine.mp4")
    assert result.exit_code == 0, result.output
    assert len(streams(tmp_path / "sine.mp4")[0]) == 12


@pytest.mark.slow
def test_keys(run, tmp_path, monkeypatch):
    """Each key is pressed once the next picture is shown, so that a film has one."""
    pygame = pytest.importorskip("pygame", reason="the window needs pygame-ce")
    keys = [pygame.K_c, pygame.K_r, pygame.K_f, pygame.K_x, pygame.K_r, pygame.K_SPACE, pygame.K_q]
    shown, pressed, states = [], [], []
    show, show_picture = LiveWindow.show, live._Performance._show

    def press(self, image, caption=None, *, is_recording=False):
        show(self, image, caption, is_recording=is_recording)
        is_frozen = pressed[-1:] == [pygame.K_SPACE]
        if (len(shown) > len(pressed) or is_frozen) and len(pressed) < len(keys):
            states.append((is_recording, self._is_full_screen))
            pressed.append(keys[len(pressed)])
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pressed[-1]))

    def count(self, picture):
        show_picture(self, picture)
        shown.append(picture.time_s)

    monkeypatch.setattr(LiveWindow, "show", press)
    monkeypatch.setattr(live._Performance, "_show", count)
    result = run(write_wav(tmp_path / "long.wav", tone(30)), "--json")
    assert result.exit_code == 0, result.output
    (film,) = json.loads(result.stdout)["files"]
    assert film.startswith("photism-")
    assert streams(tmp_path / film)[0]
    assert pressed == keys
    assert states == [(False, False)] * 2 + [(True, False)] + [(True, True)] * 2 + [(False, True)] * 2


class Drawing:
    """A drawing of black pictures."""

    settings = live.LiveSettings(fps=10)
    duration_s = 0.0

    def feed(self, samples):
        self.duration_s += len(samples) / RATE

    def picture(self, time_s):
        return SimpleNamespace(time_s=time_s, image=Image.new("RGB", (16, 16)), caption=None)


class Window:
    """A window without a screen, whose `show` is given."""

    def __init__(self, show):
        self.show, self._pressed = show, []
        self.toggle_full_screen = lambda: None

    def press(self, action):
        self._pressed.append(action)

    def actions(self):
        live.time.sleep(0.005)
        while self._pressed:
            yield self._pressed.pop()


def endless():
    while True:
        yield np.zeros(160, np.float32)
        live.time.sleep(0.001)


def test_an_error_in_the_window_stops_the_threads_and_keeps_the_film(tmp_path):
    closed = Event()

    def blocks():
        try:
            yield from endless()
        finally:
            closed.set()

    def show(*args, **kwargs):
        raise RuntimeError("the screen is gone")

    source = SimpleNamespace(blocks=blocks, file=None)
    performance = live._Performance(Drawing(), source, Window(show), shows_caption=False)
    with pytest.raises(RuntimeError, match="the screen is gone"):
        performance.run(tmp_path / "a.mp4")
    assert closed.is_set()
    assert streams(tmp_path / "a.mp4")[0]


def test_the_window_goes_on_while_a_film_is_finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    close, ended, shown = LiveFilm.close, [], Event()

    def close_later(film, sound):
        assert shown.wait(10)
        return close(film, sound)

    def show(*args, is_recording):
        if not is_recording and ended:
            shown.set()
            window.press("quit")
        elif not is_recording:
            window.press("record")
        elif performance._film._last is not None and performance._film.duration_s > 0:
            ended.append(performance._film.target)
            window.press("record")

    monkeypatch.setattr(LiveFilm, "close", close_later)
    source, window = SimpleNamespace(blocks=endless, file=None), Window(show)
    performance = live._Performance(Drawing(), source, window, shows_caption=False)
    performance.run(None)
    assert performance.summary.files == tuple(ended)
    assert ended[0].exists()


def test_small_pictures_are_enlarged_by_whole_numbers():
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    enlarged = fitted(image, (11, 30))
    assert enlarged.size == (8, 8)
    np.testing.assert_array_equal(np.asarray(enlarged)[::2, ::2], np.asarray(image))
    assert fitted(Image.new("RGB", (64, 32)), (48, 48)).size == (48, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-display"], "--no-display needs --record FILE.mp4, or the pictures would be lost"),
        (["--no-display", "--fullscreen", "--record", "a.mp4"], "--fullscreen and --no-display exclude each other"),
        (["--record", "a.mov"], "--record must be a file that ends in .mp4; got a.mov"),
        (["--record", "no/a.mp4"], "--record: the folder no does not exist; create it"),
        (["a.wav", "--raw", "16000"], "--raw is for standard input: give - as SOUND, or omit --raw"),
        (["a.wav", "--input-device", "hw:1"], "--input-device is for the microphone: omit SOUND, or omit"),
        (["--strict"], "--strict is for files"),
        (["missing.wav"], "missing.wav"),
        (["--window", "0.1"], "--window must be at least 0.5"),
        (["--fps", "0"], "--fps must be above 0"),
    ],
)
def test_mistakes_are_found_before_a_model_is_loaded(run, unloaded, arguments, message):
    result = run(*arguments)
    assert message in str(result.exception)


def test_images_are_generated_one_at_a_time(run, unloaded):
    assert "there is no flag --batch-size of " in str(run("--batch-size", 2).exception)


def test_a_missing_screen_is_found_before_a_model_is_loaded(run, unloaded, sound, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    message = str(run(sound).exception)
    assert message.startswith("there is no screen for the window")
    assert message.endswith("omit it with --no-display, and record a film with --record FILE.mp4")


def test_a_screen_that_nobody_sees_is_refused_unless_it_is_named(monkeypatch):
    pygame = pytest.importorskip("pygame", reason="the window needs pygame-ce")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(InputError, match="there is no screen for the window"):
        LiveWindow()
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11,Offscreen")
    LiveWindow().close()


@pytest.mark.skipif(
    sys.platform != "linux" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()), reason="there is a screen"
)
def test_no_screen_is_found_before_a_model_is_loaded(run, unloaded, sound, monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER")
    assert str(run(sound).exception).startswith("there is no screen for the window")


def test_a_missing_library_is_found_before_a_model_is_loaded(run, unloaded, sound, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert str(run(sound).exception).startswith("the window needs pygame-ce, which is not")


def test_a_model_with_an_lcm_lora_draws_in_few_steps(monkeypatch):
    loaded = []

    def load(settings, *, steps):
        loaded.append(settings.scheduler)
        raise InterruptedError

    monkeypatch.setattr(live, "load_pipeline", load)
    for models in (PipelineSettings(), PipelineSettings(scheduler="ddim")):
        with pytest.raises(InterruptedError):
            live._load(models, live.LiveSettings())
    assert loaded == ["lcm", "ddim"]
