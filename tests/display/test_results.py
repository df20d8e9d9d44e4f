"""Every result shows itself: as a line, and in a notebook as HTML that is escaped and of bounded size."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from PIL import Image

from photism import Waveform
from photism.audio.level import SignalLevel
from photism.audio.log_mel import LogMel
from photism.audioldm2.output import SoundOutput
from photism.audioldm2.settings import SoundSettings
from photism.collection.duplicates import Duplicate, DuplicateGroup
from photism.collection.search import Hit
from photism.diagnostics.check import Check
from photism.diagnostics.diagnosis import Diagnosis
from photism.display.scores import Ranking, Rankings
from photism.drawing.pipeline import AudioToImageOutput
from photism.drawing.settings import DrawSettings
from photism.drawing.video.film import FilmFrame
from photism.listening.audio_embedder import Embedded
from photism.listening.calibration import Calibration
from photism.listening.diarization import Diarization
from photism.listening.segments import Segment, Segments
from photism.listening.transcription.streaming import StreamUpdate
from photism.listening.transcription.transcript import Character, MissingWord, Transcript, Word
from photism.listening.vectors import Vector
from photism.listening.verification import Comparison, Comparisons, Verification
from photism.listening.windowed_scores import ClassScore, Labels, ScoredWindow
from photism.listening.zero_shot import RankedCaption
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.prompt_space import PromptSpace
from tests.support.notebook_html import Markup

HOSTILE = '<script>alert("it\'s")</script>\n</div> & \x1b[31m'
MANY = 5_000
MAX_HTML_CHARACTERS = 1_500_000

SAMPLES = np.linspace(-3, 3, 61 * 16_000, dtype=np.float32)  # over a minute, and too loud
SCORES = tuple(ClassScore(label=f"{HOSTILE}{index}", score=0.5) for index in range(MANY))
CAPTIONS = [RankedCaption(caption=f"{HOSTILE}{index}", score=-0.25) for index in range(MANY)]
WORD = Word(HOSTILE, 1.0, 2.0, 1 / 3, (Character(HOSTILE, 1.0, 2.0, 1 / 3),) * 9)
TURNS = tuple(Segment(index / 3, (index + 1) / 3, f"{HOSTILE}{index % 50}", 2 / 3) for index in range(MANY))
WINDOW = ScoredWindow(0, 1 / 3, SCORES, known=False)
VECTORS = np.eye(300, dtype=np.float32)
VERIFICATION = Verification(True, 2 / 3, 1 / 3)
HIT = Hit("a" * 500, 1 / 3, None, 2 / 3, {"caption": "x" * 500})
IMAGE = Image.new("RGB", (2048, 1024), "red")
LEVEL = SignalLevel(100.0, 99.0, -3.0, 0.0)
EMBEDDED = Embedded(
    0,
    100.0,
    tuple((index / 3, index / 3 + 1) for index in range(300)),
    VECTORS,
    LEVEL,
    (None,) * 300,
    (tuple(CAPTIONS[:2]),) * 300,
)
EMPTY = {
    "no images": AudioToImageOutput([], [], AudioPrompt(torch.zeros(0, 77, 768), None), DrawSettings(), []),
    "no image of a recording": AudioToImageOutput(
        [[]], [[]], AudioPrompt(torch.zeros(1, 77, 768), None), DrawSettings(), [[]]
    ),
    "no sounds": SoundOutput(torch.zeros(0, 4_000), None, [], 16_000, SoundSettings()),
    "no captions": Ranking(),
    "no rankings": Rankings(),
    "no comparisons": Comparisons(),
    "no vectors": Embedded(0, 100.0, (), VECTORS[:0], LEVEL, (), ()),
    "no checks": Diagnosis(()),
}
SHOWN = {
    **EMPTY,
    "waveform": Waveform(SAMPLES, (HOSTILE,)),
    "images": AudioToImageOutput(
        [[IMAGE] * 2] * 20,
        [[2**40, 2**40 + 1]] * 20,
        AudioPrompt(torch.zeros(20, 77, 768), None),
        DrawSettings(seed=2**40),
        [[False, True]] * 20,
    ),
    "sounds": SoundOutput(np.stack([SAMPLES] * 9), [[0.5] * 9], list(range(9)), 16_000, SoundSettings()),
    "channels": SoundOutput(torch.zeros(1, 6, 4_000), None, None, 44_100, SoundSettings()),
    "latents": SoundOutput(torch.zeros(1, 8, 64, 16), None, [1], 16_000, SoundSettings()),
    "ranking": Ranking(CAPTIONS),
    "rankings": Rankings([Ranking(SCORES)] * MANY),
    "labels": Labels(0, 100.0, (WINDOW,), (), silent=False),
    "windows": Labels(0, MANY / 3, (WINDOW,) * MANY, TURNS, silent=False),
    "silence": Labels(0, 100.0, (WINDOW,), (), silent=True),
    "transcript": Transcript((WORD,) * MANY, 1e5, missing=(MissingWord(0, HOSTILE),) * MANY),
    "empty transcript": Transcript((), 1.0, windows=0),
    "turns": Segments(TURNS),
    "no turns": Segments(),
    "diarization": Diarization(0, MANY / 3, TURNS),
    "verification": VERIFICATION,
    "comparisons": Comparisons([Comparison(HOSTILE, HOSTILE, VERIFICATION)] * MANY),
    "calibration": Calibration(1 / 3, 1 / 3, 2 / 3, MANY, MANY),
    "embedded": EMBEDDED,
    "frame": FilmFrame(7, 1 / 3, IMAGE),
    "diagnosis": Diagnosis((Check("torch", True, "2.13"), Check(HOSTILE, False, HOSTILE, HOSTILE))),
}
NOT_SHOWN = {
    "log-mel": LogMel(torch.zeros(2, 500, 160), torch.ones(2, 500)),
    "prompt": AudioPrompt(torch.zeros(2, 77, 768), None, (1,) * 50, torch.zeros(2, 776), (True,) * 50),
    "space": PromptSpace("sd-1", torch.zeros(768), torch.zeros(77, 768), 28.0),
    "settings": DrawSettings(text="x" * 500, negative="y" * 500, seed=7),
    "window": WINDOW,
    "word": WORD,
    "character": WORD.characters[0],
    "segment": TURNS[0],
    "update": StreamUpdate((WORD,) * MANY, (WORD,)),
    "comparison": Comparison("a" * 500, "b", VERIFICATION),
    "vector": Vector(VECTORS[0], None, tuple(CAPTIONS)),
    "hit": HIT,
    "duplicate": Duplicate(HIT, HIT, True),
    "duplicates": DuplicateGroup(HIT, (Duplicate(HIT, HIT, True),) * MANY),
}


@lru_cache
def html_of(name: str) -> str:
    return SHOWN[name]._repr_html_()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("name", [*SHOWN, *NOT_SHOWN])
def test_repr_is_a_short_line(name: str) -> None:
    shown = repr({**SHOWN, **NOT_SHOWN}[name])
    assert len(shown) < 120
    assert "\n" not in shown
    assert shown.startswith(type({**SHOWN, **NOT_SHOWN}[name]).__name__)


@pytest.mark.parametrize("name", SHOWN)
def test_html_is_escaped_and_bounded(name: str) -> None:
    html = html_of(name)
    assert len(html) < MAX_HTML_CHARACTERS
    assert "<script" not in html
    assert "\x1b" not in html
    assert Markup(html).text.strip()


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_result_says_so(name: str) -> None:
    assert Markup(html_of(name)).text == "There is nothing to show."


def test_settings_name_what_was_changed() -> None:
    assert repr(DrawSettings()) == "DrawSettings()"
    assert repr(DrawSettings(seed=7, text="an owl")) == "DrawSettings(text='an owl', seed=7)"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("waveform", "The first 1:00 of 1:01 can be played here."),
        ("images", "16 of 40 images are shown."),
        ("images", "2048×1024 pixels, shown smaller"),
        ("images", "recording 0, seed 1099511627777, black: the safety checker found it unsafe"),
        ("sounds", "8 of 9 sounds are shown."),
        ("sounds", "The first 7.50 s of 1:01 can be played here."),
        ("sounds", "sound 3, seed 3, score 0.500"),
        ("ranking", "20 of 5,000 rows are shown."),
        ("rankings", "20 of 5,000 recordings are shown."),
        ("labels", "No known sound was recognised."),
        ("windows", "200 of 5,000 segments are shown."),
        ("silence", "There is nothing to hear in 1:40."),
        ("transcript", "500 of 5,000 words are shown."),
        ("transcript", "5,000 not found in the recording: "),
        ("empty transcript", "0 words in 1.00 s"),
        ("comparisons", "20 of 5,000 rows are shown."),
        ("embedded", "256 of 300 windows are shown."),
    ],
)
def test_html_says_how_much_is_shown(name: str, part: str) -> None:
    assert part in Markup(html_of(name)).text


def test_lists_are_equal_to_lists() -> None:
    assert Rankings([Ranking(CAPTIONS[:2])]) == [CAPTIONS[:2]]
    assert Segments(TURNS) == TURNS
