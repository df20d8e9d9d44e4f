"""Stage 0: log-mel frames of every spoken caption, from human recordings and from espeak-ng.

    python -m recipes.tiny.speech [--voices N]

Writes one shard for each language to the cache when it is complete; a run that was killed continues with the next
language. The frames are not normalised: training adds noise, warps and normalises them on the fly. espeak-ng also
transcribes every caption to phonemes, the targets of stage 4.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from photism.audio.log_mel import log_mel
from photism.audio.waveform import load_waveform
from recipes.tiny.corpus import LANGUAGES, cache_folder, read_recordings, read_stamps

MEL_BINS = 80
VOICE_VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4")
RATE_WPM = (110, 210)
PITCH = (25, 75)
LONGEST_S = 8.0
"""Maximum duration of a clip in seconds; the few longer ones, which are paragraphs, are cut."""

NOT_PHONEMES = str.maketrans("", "", "ˈˌ \n\t_-.,;:!?'\"")


@dataclass(frozen=True)
class Clip:
    """The labels of one utterance. `voice` is "human" or the name of an espeak-ng voice."""

    stamp: str
    language: str
    caption: str
    phonemes: str
    voice: str
    is_test: bool
    frames: int


@dataclass(frozen=True)
class Utterance:
    """A text to synthesise, or a recording of it."""

    stamp: str
    language: str
    caption: str
    spoken: str
    recording: Path | None = None
    is_test: bool = False
    seed: int = 0


def phonemes_of(text: str, language: str) -> str:
    """Transcribe a text with espeak-ng to IPA symbols without stress and spaces."""
    command = ["espeak-ng", "-q", "--ipa", "-v", language, "--", text]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # espeak-ng marks words in another language like this: (en)…(fr).
    parts = output.replace("(", ")").split(")")[::2]
    return "".join(parts).translate(NOT_PHONEMES)


def synthesize(text: str, voice: str, rate_wpm: int, pitch: int) -> bytes:
    """Synthesise a text with espeak-ng and return the WAV file."""
    command = ["espeak-ng", "--stdout", "-v", voice, "-s", str(rate_wpm), "-p", str(pitch), "--", text]
    return subprocess.run(command, capture_output=True, check=True).stdout


def make_clip(utterance: Utterance) -> tuple[Clip, npt.NDArray[np.float16]]:
    """Return the labels of an utterance and its log-mel frames (frames, 80)."""
    torch.set_num_threads(1)
    voice = "human"
    if utterance.recording is not None:
        waveform = load_waveform(utterance.recording)
    else:
        choice = random.Random(utterance.seed)
        voice = utterance.language + choice.choice(VOICE_VARIANTS)
        waveform = load_waveform(synthesize(utterance.spoken, voice, choice.randint(*RATE_WPM), choice.randint(*PITCH)))
    samples = waveform.samples[: int(LONGEST_S * 16_000)]
    features = log_mel([samples], stride=1, normalize=False, dtype=torch.float32).input_features[0]
    clip = Clip(
        stamp=utterance.stamp,
        language=utterance.language,
        caption=utterance.caption,
        phonemes=phonemes_of(utterance.spoken, utterance.language),
        voice=voice,
        is_test=utterance.is_test,
        frames=len(features),
    )
    return clip, features.numpy().astype(np.float16)


def utterances(language: str, voices: int) -> Iterator[Utterance]:
    """Yield all recordings in a language, then each distinct phrase with `voices` synthetic voices."""
    for recording in read_recordings():
        if recording.language == language:
            yield Utterance(
                recording.stamp, language, recording.caption, recording.spoken, recording.path, recording.is_test
            )
    phrases = {}
    for stamp in read_stamps():
        if language in stamp.captions:
            phrases.setdefault((stamp.caption, stamp.captions[language]), stamp.name)
    for (caption, spoken), stamp in phrases.items():
        for number in range(voices):
            digest = hashlib.sha256(f"{spoken}|{language}|{number}".encode()).digest()
            yield Utterance(stamp, language, caption, spoken, seed=int.from_bytes(digest[:8], "big"))


def shard_paths(language: str, voices: int) -> tuple[Path, Path]:
    folder = cache_folder() / f"speech-{voices}"
    return folder / f"{language}.npy", folder / f"{language}.json"


def make_shard(language: str, voices: int, pool: ProcessPoolExecutor) -> None:
    frames_path, table_path = shard_paths(language, voices)
    if table_path.exists():
        return
    frames_path.parent.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    frames: list[npt.NDArray[np.float16]] = []
    for clip, features in pool.map(make_clip, utterances(language, voices), chunksize=16):
        clips.append(clip)
        frames.append(features)
        if len(clips) % 1000 == 0:
            print(f"{language}: {len(clips)} clips", flush=True)
    with (unfinished := frames_path.with_suffix(".part")).open("wb") as file:
        np.save(file, np.concatenate(frames))
    unfinished.rename(frames_path)
    unfinished = table_path.with_suffix(".part")
    unfinished.write_text(json.dumps([asdict(clip) for clip in clips], ensure_ascii=False))
    unfinished.rename(table_path)
    print(f"{language}: {len(clips)} clips, done", flush=True)


def make_shards(voices: Mapping[str, int]) -> None:
    """Write the shards that are missing; `voices` is the number of synthetic voices for each language."""
    with ProcessPoolExecutor() as pool:
        for language, count in voices.items():
            make_shard(language, count, pool)


@dataclass(frozen=True)
class Speech:
    """All clips with their frames, float16 (sum of lengths, 80); clip i begins at `starts[i]`."""

    clips: Sequence[Clip]
    frames: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]


def read_speech(voices: Mapping[str, int]) -> Speech:
    """Read the shards of stage 0 into memory.

    Args:
        voices: number of synthetic voices for each language.

    Raises:
        SystemExit: the shard of a language is missing.
    """
    clips: list[Clip] = []
    frames: list[npt.NDArray[np.float16]] = []
    for language, count in voices.items():
        frames_path, table_path = shard_paths(language, count)
        if not table_path.exists():
            sys.exit(f"speech: {language} is missing; run 'python -m recipes.tiny.speech --voices {count}' first")
        clips += [Clip(**row) for row in json.loads(table_path.read_text())]
        frames.append(np.load(frames_path))
    lengths = np.array([clip.frames for clip in clips])
    return Speech(clips, np.concatenate(frames), np.concatenate([[0], np.cumsum(lengths)[:-1]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=int, default=4, help="synthetic voices for each phrase")
    arguments = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        sys.exit("speech: espeak-ng is missing; run 'apt-get install espeak-ng'")
    make_shards(dict.fromkeys(LANGUAGES, arguments.voices))


if __name__ == "__main__":
    main()
