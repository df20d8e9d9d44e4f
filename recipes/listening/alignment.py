"""Measure forced alignment with the model of `recipes.listening.characters` on synthetic speech with known word times.

    python -m recipes.listening.alignment [--sentences N] [--long N]

Neither the sentences nor the voices occur in the training of the model.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import warnings
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

from photism import Transcriber, Waveform
from photism.audio.waveform import SAMPLING_RATE
from photism.listening.transcription.transcript import Transcript
from recipes.listening.characters import ACCENTS, SENTENCES, TRAINED, VARIANTS, sentences
from recipes.listening.word_times import speak
from recipes.tiny.speech import PITCH, RATE_WPM

PAUSE_S = (0.2, 1.5)
"""Pause between two sentences of a long recording."""
NUMBER = "1984"  # no digit is in the vocabulary
OMITTED, ADDED = 7, 3
"""Of ten sentences, the one that is spoken but not in the text, and the one that is only in the text."""
MAX_FALSE_ALARMS = 0.05
"""Fraction of the correct words that may be reported at the operating point."""

Times: TypeAlias = "tuple[float, float] | None"


class Spoken(NamedTuple):
    """A recording of a text: samples (T,) at 16 kHz, the words, and their times where these are known."""

    samples: npt.NDArray[np.float32]
    words: list[str]
    times_s: list[Times]


def say(text: str) -> Spoken:
    """Synthesise a sentence with a random voice of the test set."""
    choice = random.Random(text)
    voice = f"{choice.choice(ACCENTS)}+{choice.choice(VARIANTS['test'].split())}"
    speech = speak(text, voice, choice.randint(*RATE_WPM), choice.randint(*PITCH))
    samples = soxr.resample(speech.samples, speech.sampling_rate, SAMPLING_RATE)
    return Spoken(samples, text.split(), speech.times_s)


def join(spoken: Sequence[Spoken]) -> Spoken:
    """Join recordings with pauses."""
    choice = random.Random(0)
    blocks: list[npt.NDArray[np.float32]] = []
    words: list[str] = []
    times_s: list[Times] = []
    start_s = 0.0
    for each in spoken:
        pause = np.zeros(round(choice.uniform(*PAUSE_S) * SAMPLING_RATE), np.float32)
        blocks += [each.samples, pause]
        words += each.words
        times_s += [times and (start_s + times[0], start_s + times[1]) for times in each.times_s]
        start_s += (len(each.samples) + len(pause)) / SAMPLING_RATE
    return Spoken(np.concatenate(blocks), words, times_s)


def with_other_sentences(spoken: Sequence[Spoken]) -> tuple[Spoken, list[str], list[Times | bool]]:
    """Return a long recording, a text that omits some of its sentences and has others, and the times of its words.

    The time of a word that is only in the text is False.
    """
    recording = join([each for number, each in enumerate(spoken) if number % 10 != ADDED])
    words: list[str] = []
    times_s: list[Times | bool] = []
    place = 0
    for number, each in enumerate(spoken):
        if number % 10 == ADDED:
            words += each.words
            times_s += [False] * len(each.words)
            continue
        if number % 10 != OMITTED:
            words += each.words
            times_s += recording.times_s[place : place + len(each.words)]
        place += len(each.words)
    return recording, words, times_s


def found_words(transcript: Transcript) -> list[tuple[float, float, float] | None]:
    """Return the start, end and confidence of each word of a text; None for a missing one."""
    found: list[tuple[float, float, float] | None] = [
        (word.start_s, word.end_s, word.confidence) for word in transcript.words
    ]
    for each in transcript.missing:  # ascending
        found.insert(each.index, None)
    return found


class Errors:
    """Errors of word times."""

    def __init__(self) -> None:
        self.starts_ms: list[float] = []
        self.ends_ms: list[float] = []
        self.missing = 0

    def add(self, found: tuple[float, float, float] | None, times_s: tuple[float, float]) -> None:
        if found is None:
            self.missing += 1
            return
        self.starts_ms.append(1000 * (found[0] - times_s[0]))
        self.ends_ms.append(1000 * (found[1] - times_s[1]))

    def summary(self) -> dict[str, float]:
        values: dict[str, float] = {"words": len(self.starts_ms), "missing": self.missing}
        for name, errors in {"start": np.array(self.starts_ms), "end": np.array(self.ends_ms)}.items():
            absolute = np.abs(errors)
            values[f"{name} median ms"] = round(float(np.median(absolute)), 1)
            values[f"{name} p90 ms"] = round(float(np.quantile(absolute, 0.9)), 1)
            values[f"{name} bias ms"] = round(float(np.median(errors)), 1)
        return values


def measure_sentences(transcriber: Transcriber, spoken: Sequence[Spoken]) -> dict[str, object]:
    """Align sentences one by one: as they are, with one word replaced, and with a number for one word."""
    plain, numbers, around = Errors(), Errors(), Errors()
    right: list[float] = []
    wrong: list[float] = []
    others = [word for each in spoken for word in each.words]
    for each in spoken:
        choice = random.Random(" ".join(each.words))
        place = choice.randrange(len(each.words))
        replaced = [*each.words]
        while replaced[place].lower() == each.words[place].lower():
            replaced[place] = choice.choice(others)
        numbered = [*each.words]
        numbered[place] = NUMBER
        for words, kind in ((each.words, "plain"), (replaced, "replaced"), (numbered, "numbered")):
            found = found_words(align(transcriber, each.samples, words))
            for index, (word, times_s) in enumerate(zip(found, each.times_s, strict=True)):
                if kind == "replaced":
                    (wrong if index == place else right).append(word[2] if word else 0.0)
                elif times_s and kind == "plain":
                    plain.add(word, times_s)
                elif times_s:
                    (numbers if index == place else around).add(word, times_s)
    threshold = float(np.quantile(right, MAX_FALSE_ALARMS))
    ranks = np.searchsorted(np.sort(right), wrong) / len(right)
    return {
        "sentences": plain.summary(),
        "a number": numbers.summary(),
        "words of sentences with a number": around.summary(),
        "a wrong word": {
            "words": len(wrong),
            "AUC": round(float(1 - ranks.mean()), 3),
            "threshold": round(threshold, 3),
            "found": round(float(np.mean(np.array(wrong) < threshold)), 3),
        },
    }


def measure_long(transcriber: Transcriber, spoken: Sequence[Spoken]) -> dict[str, object]:
    """Align the sentences joined to one recording: with their text, and with one that differs in whole sentences."""
    whole = join(spoken)
    started = time.process_time()
    errors = Errors()
    found = found_words(align(transcriber, whole.samples, whole.words))
    for word, times_s in zip(found, whole.times_s, strict=True):
        if times_s:
            errors.add(word, times_s)
    duration_s = time.process_time() - started
    recording, words, times = with_other_sentences(spoken)
    differing, kept, removed = Errors(), 0, 0
    for word, times_s in zip(found_words(align(transcriber, recording.samples, words)), times, strict=True):
        if times_s is False:
            kept, removed = kept + (word is not None), removed + (word is None)
        elif isinstance(times_s, tuple):
            differing.add(word, times_s)
    return {
        "long": {
            "hours": round(len(whole.samples) / SAMPLING_RATE / 3600, 2),
            "CPU s": round(duration_s),
            **errors.summary(),
        },
        "long, other sentences": {**differing.summary(), "not spoken, omitted": removed, "not spoken, kept": kept},
    }


def align(transcriber: Transcriber, samples: npt.NDArray[np.float32], words: Sequence[str]) -> Transcript:
    with warnings.catch_warnings(action="ignore"):
        (transcript,) = transcriber.align([Waveform(samples)], [" ".join(words)])
    return transcript


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=400, help="number of sentences that are aligned one by one")
    parser.add_argument("--long", type=int, default=2000, help="number of sentences in the long recording")
    arguments = parser.parse_args()
    unseen = sentences()[SENTENCES:]
    transcriber = Transcriber.from_pretrained(TRAINED)
    results = measure_sentences(transcriber, [say(text) for text in unseen[: arguments.sentences]])
    results |= measure_long(transcriber, [say(text) for text in unseen[: arguments.long]])
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
