"""Settings of listening: bounds, and settings that depend on one another."""

import subprocess
import sys

import pytest

from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE
from photism.listening.settings import (
    FRAME_S,
    HearSettings,
    LabelSettings,
    RankSettings,
    TimelineSettings,
    VerifySettings,
)
from photism.listening.transcription.decoding_options import DecodingSettings, StreamingSettings, TranscribeSettings
from photism.settings import SettingError


def test_the_shortest_window_is_a_log_mel_frame():
    assert FRAME_S == FRAME_SAMPLES / SAMPLING_RATE


@pytest.mark.parametrize(
    ("window_s", "hop_s", "message"),
    [
        (0.024, None, "window_s must be at least 0.025; got 0.024"),
        (0.0, None, "window_s must be at least 0.025; got 0"),
        (float("nan"), None, "window_s must be at least 0.025; got nan"),
        (float("inf"), None, "window_s must be at least 0.025; got inf"),
        (2.0, 2.1, "hop_s must be at most window_s, 2 s, or audio between windows is skipped; got 2.1"),
        (2.0, 0.0, "hop_s must be above 0; got 0"),
        (2.0, -1.0, "hop_s must be above 0; got -1"),
        (None, 1.0, "hop_s must be given together with window_s"),
    ],
)
@pytest.mark.parametrize("kind", [HearSettings, LabelSettings])
def test_windows_have_a_length_and_a_hop_within_bounds(kind, window_s, hop_s, message):
    with pytest.raises(SettingError) as error:
        kind(window_s=window_s, hop_s=hop_s)
    assert str(error.value) == message
    assert kind(window_s=0.025).hop_s is None
    assert kind(window_s=2.0, hop_s=2.0).hop_s == 2


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (RankSettings, {"top_k": 0}, "top_k must be at least 1; got 0"),
        (RankSettings, {"template": "a sound"}, "template must have {} where the caption goes; got 'a sound'"),
        (HearSettings, {"template": ""}, "template must have {} where the caption goes; got ''"),
        (HearSettings, {"threshold": float("nan")}, "threshold must be a finite number; got nan"),
        (LabelSettings, {"function_to_apply": "max"}, "function_to_apply must be one of softmax, sigmoid, none; got"),
        (LabelSettings, {"batch_size": 0}, "batch_size must be at least 1; got 0"),
        (LabelSettings, {"num_workers": -1}, "num_workers must be at least 0; got -1"),
        (TimelineSettings, {"threshold": 0.0}, "threshold must be above 0 and below 1; got 0"),
        (TimelineSettings, {"threshold": 1.0}, "threshold must be above 0 and below 1; got 1"),
        (TimelineSettings, {"min_on_s": -1.0}, "min_on_s must be at least 0; got -1"),
        (TimelineSettings, {"min_off_s": float("nan")}, "min_off_s must be at least 0; got nan"),
        (VerifySettings, {}, "threshold or calibration must be given, and not both"),
        (VerifySettings, {"threshold": 0.5, "calibration": "c.json"}, "threshold or calibration must be given"),
        (DecodingSettings, {"beams": 0}, "beams must be at least 1; got 0"),
        (DecodingSettings, {"beams": 1, "hot_words": ("A",)}, "beams must be at least 2 with hot words or a language"),
        (DecodingSettings, {"hot_words": "A"}, "hot_words must be a list of words; got one text: give ['A']"),
        (TranscribeSettings, {"window_s": 0.0}, "window_s must be above 0; got 0"),
        (StreamingSettings, {"step_s": 0.0}, "step_s must be above 0; got 0"),
        (StreamingSettings, {"lookahead_s": -1.0}, "lookahead_s must be at least 0; got -1"),
        (StreamingSettings, {"context_s": float("nan")}, "context_s must be at least 0; got nan"),
    ],
)
def test_a_setting_out_of_range_is_an_error(kind, given, message):
    with pytest.raises(SettingError) as error:
        kind(**given)
    assert str(error.value).startswith(message)


def test_the_beam_width_depends_on_what_needs_a_search():
    assert DecodingSettings().is_greedy
    assert DecodingSettings(hot_words=("A",)).beam_width == 100
    assert DecodingSettings(language_model="words.arpa").beam_width == 100
    assert DecodingSettings(beams=7, hot_words=("A",)).beam_width == 7


def test_settings_are_declared_without_importing_torch_and_numpy():
    program = "import sys, photism.listening.settings, photism.listening.transcription.decoding_options\n"
    program += "sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)
