"""Synthetic speech with the times of its words, which the library of espeak-ng reports."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS, PHONEME_EVENTS, RETURN_ON_ERROR = 2, 0x1, 0x8000
RATE_PARAMETER, PITCH_PARAMETER = 1, 3
CHARACTERS, UTF8 = 1, 1
END_OF_LIST, WORD, PHONEME = 0, 1, 7
PAUSES = (b"_", b"_:", b"_!")


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng's speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Speech(NamedTuple):
    """Synthetic speech.

    Attributes:
        samples: (T,) within ±1.
        sampling_rate: rate in Hz.
        times_s: start and end of each word of the text in seconds, or None if espeak-ng joins it with another one, such
            as “of the”. A word ends where the next one or a pause begins.
    """

    samples: npt.NDArray[np.float32]
    sampling_rate: int
    times_s: list[tuple[float, float] | None]


def speak(text: str, voice: str, rate_wpm: int, pitch: int) -> Speech:
    """Synthesise a text of words that are separated by spaces."""
    library, rate = _library()
    blocks: list[npt.NDArray[np.int16]] = []
    words: list[tuple[int, int]] = []  # position in the text, from 0, and sample of each word
    edges: list[int] = []  # samples at which a word or a pause begins

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in _until_end(events):
            if event.type == WORD:
                words.append((event.text_position - 1, event.sample))
            if event.type == WORD or (event.type == PHONEME and event.id.string in PAUSES):
                edges.append(event.sample)
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(voice.encode())
    library.espeak_SetParameter(RATE_PARAMETER, rate_wpm, 0)
    library.espeak_SetParameter(PITCH_PARAMETER, pitch, 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, CHARACTERS, 0, UTF8, None, None)
    library.espeak_Synchronize()
    samples = np.concatenate(blocks).astype(np.float32) / 32768
    edges = sorted({*edges, len(samples)})
    return Speech(samples, rate, list(_word_times(text, words, edges, rate)))


def _word_times(
    text: str, words: list[tuple[int, int]], edges: list[int], rate: int
) -> Iterator[tuple[float, float] | None]:
    begins = [match.start() for match in re.finditer(r"\S+", text)]
    starts: dict[int, int] = {}
    inner: set[int] = set()  # espeak-ng reports both parts of "well-known"
    for position, sample in words:
        begin = text.rfind(" ", 0, position + 1) + 1
        inner |= {sample} if begin in starts else set()
        starts.setdefault(begin, sample)
    for begin, following in zip(begins, [*begins[1:], None], strict=True):
        if begin not in starts or (following is not None and following not in starts):
            yield None
            continue
        start = starts[begin]
        yield start / rate, next(edge for edge in edges if edge > start and edge not in inner) / rate


def _until_end(events: Any) -> Iterator[_Event]:
    index = 0
    while events[index].type != END_OF_LIST:
        yield events[index]
        index += 1


@cache
def _library() -> tuple[Any, int]:
    library = ctypes.CDLL(LIBRARY)
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS | RETURN_ON_ERROR)
    return library, rate
