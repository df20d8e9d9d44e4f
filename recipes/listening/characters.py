"""Train a small English speech recogniser with CTC on synthetic sentences, WordNet's usage examples.

    python -m recipes.listening.characters             # write the clips, train, evaluate: about an hour on one core
    python -m recipes.listening.characters --measure   # evaluate the trained model

Neither the sentences nor the voices of the test set occur in training. Asterisk's English prompts, by a person on the
telephone, are for testing only. The model is not bundled; it stays in the cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import jiwer

from photism import Transcriber
from photism.listening.transcription.normalization import Normalizer
from recipes.listening.sounds import (
    Clip,
    Synthesis,
    fetch_package,
    fetch_prompts,
    path_of,
    telephoned,
    work_folder,
    write,
)
from recipes.tiny.speech import PITCH, RATE_WPM

SOUNDS, TRAINED = work_folder() / "characters", work_folder() / "characters-model"
WORDNET_VERSION = "1:3.0-37"
EXAMPLE = re.compile(r'"([^"]+)"(?=;|\s*$)')  # a quotation with a source has the source after it
PLAIN = re.compile(r"(?!.*[A-Z]{2})[A-Za-z](?:[A-Za-z, ]|(?<=[A-Za-z])'(?=[A-Za-z]))*[.!?]?")
WORDS = range(2, 13)  # allowed number of words in a sentence

ACCENTS = ("en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-029", "en-us", "en-us-nyc")
VARIANTS = {
    "train": (
        "adam Alex Alicia Andy antonio aunty benjamin boris croak david Denis Diogo ed edward f1 f2 f3 f5 Gene "
        "grandma grandpa gustave Henrique Jacky john kaukovalta klatt klatt2 klatt4 Lee m1 m2 m3 m4 m5 m6 m8 marcelo "
        "Mario max Michael miguel norbert pablo paul quincy rob robert robosoft sandro shelby steph Storm travis "
        "UniRobot whisper"
    ),
    "validation": "belinda Marco michel zac",
    "test": "Andrea Annie f4 Hugo iven linda m7 Nguyen pedro victor",
}
SENTENCES = 16_000
HELD_OUT, HELD_OUT_OF = {0: "test", 1: "validation"}, 40
"""Split of the sentences whose number has this remainder; all others are training sentences."""
TELEPHONE_PROB = 0.5  # in training and validation

TRAINING = {
    "epochs": 3,
    "batch-size": 16,
    "learning-rate": 1.5e-3,
    "encoder-rate": 0.5,
    "layer-decay": 1,
    "dropout": 0,
    "evaluate-every": 400,
    "validation-clips": 200,
}
BEAMS = 50
DECODINGS = {"": {}, f", {BEAMS} beams": {"beams": BEAMS}}
EXAMPLES = 8

NUMBERS = {
    "": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "h-": "- first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth",
    "day-": "sunday monday tuesday wednesday thursday friday saturday",
    "mon-": "january february march april may june july august september october november december",
}
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
LARGE = "hundred thousand million billion"
AS_IN_NUMBERS = "at dollars minus pound star today tomorrow yesterday"
ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu"
)
AS_NAMED = (
    "activated added call-forwarding call-waiting calling cancelled disabled do-not-disturb enabled extension for "
    "from-unknown-caller goodbye hello hello-world hours invalid is is-in-use is-set-to location lowercase minute "
    "minutes number one-moment-please please-try-again removed second seconds sorry speed-dial telephone-number time "
    "to-call-this-number to-extension to-listen-to-it transfer uppercase with you-entered your vm-and vm-extension "
    "vm-for vm-from vm-goodbye vm-message vm-messages vm-minutes vm-no vm-password vm-press"
)


def sentences() -> list[str]:
    """Return WordNet's usage examples without digits and quotations, in a fixed random order."""
    folder = work_folder() / "wordnet" / "unpacked"
    fetch_package("wordnet-base", WORDNET_VERSION, folder)
    normalize = Normalizer()
    found: dict[str, str] = {}
    for path in sorted((folder / "usr/share/wordnet").glob("data.*")):
        for line in path.read_text(encoding="utf8").splitlines():
            for example in map(str.strip, EXAMPLE.findall(line.partition(" | ")[2])):
                if PLAIN.fullmatch(example) and len(example.split()) in WORDS:
                    found.setdefault(normalize(example), example)
    return sorted(found.values(), key=_digest)


def clips() -> list[Clip]:
    """Return every sentence with a voice of its split; a test sentence also by telephone, and with a training voice."""
    found: list[Clip] = []
    for number, text in enumerate(sentences()[:SENTENCES]):
        split = HELD_OUT.get(number % HELD_OUT_OF, "train")
        clip = _synthesise(text, split, number)
        if split == "test":
            found += [clip, *telephoned([clip]), _synthesise(text, split, number, variants="train")]
        else:
            found += telephoned([clip]) if random.Random(text).random() < TELEPHONE_PROB else [clip]
    return found


def train(output: Path) -> None:
    flags = [f"--{name}={value}" for name, value in TRAINING.items()]
    command = ["finetune", "ctc", str(SOUNDS), "-o", str(output), "--encoder", "tiny", *flags]
    more = ["--resume"] * (output / "checkpoints").is_dir()
    subprocess.run([sys.executable, "-m", "photism", *command, *more], check=True)


def prompts() -> dict[str, list[tuple[Path, str]]]:
    """Return Asterisk's English prompts whose words are known from their file names, by kind."""
    found: dict[str, list[tuple[Path, str]]] = {}
    known = {**_numbers(), **{f"phonetic/{word[0]}_p": word for word in ALPHABET.split()}}
    for path in fetch_prompts()["en"]:
        name = f"{path.parent.name}/{path.stem}"
        if name in known:
            found.setdefault("numbers, days, months, alphabet", []).append((path, known[name]))
        elif path.stem in AS_NAMED.split() and path.parent.parent.name == "sounds":
            found.setdefault("words and phrases", []).append((path, path.stem.removeprefix("vm-").replace("-", " ")))
    return found


def evaluate() -> dict[str, dict[str, object]]:
    """Return character and word error rates, and some transcripts with their references."""
    transcriber = Transcriber.from_pretrained(TRAINED)
    normalize = Normalizer()
    groups: dict[str, list[tuple[Path, str]]] = {}
    for each in clips():
        if each.split == "test":
            voice = "unseen voices" if each.speaker in VARIANTS["test"].split() else "training voices"
            kind = f"{voice}, by telephone" if each.telephone else voice
            groups.setdefault(kind, []).append((path_of(SOUNDS, each), normalize(each.text)))
    for kind, rows in prompts().items():
        groups[f"Asterisk, {kind}"] = rows
    results: dict[str, dict[str, object]] = {}
    for name, rows in groups.items():
        references = [text for _, text in rows]
        results[name] = {"recordings": len(rows)}
        for decoding, options in DECODINGS.items():
            predicted = [each.text for each in transcriber([path for path, _ in rows], **options)]
            results[name][f"CER{decoding}"] = jiwer.cer(references, predicted)
            results[name][f"WER{decoding}"] = jiwer.wer(references, predicted)
            results[name][f"predicted{decoding}"] = dict(zip(references[:EXAMPLES], predicted[:EXAMPLES], strict=True))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="evaluate only")
    if not parser.parse_args().measure:
        write(SOUNDS, clips())
        train(TRAINED)
    results = json.dumps(evaluate(), indent=1, ensure_ascii=False)
    (TRAINED / "evaluation.json").write_text(f"{results}\n", encoding="utf8")
    print(results)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _synthesise(text: str, split: str, number: int, *, variants: str | None = None) -> Clip:
    """Return a clip of the text with a random voice of the split, or of the split `variants`."""
    choice = random.Random(f"{text}|{variants}")
    speaker = choice.choice(VARIANTS[variants or split].split())
    voice = f"{choice.choice(ACCENTS)}+{speaker}"
    style = random.Random(f"{text}|{voice}|{number}")
    source = Synthesis(text, voice, style.randint(*RATE_WPM), style.randint(*PITCH))
    return Clip(source, f"{split}/{number}-{speaker}.wav", "", split, text=text, speaker=speaker)


def _numbers() -> dict[str, str]:
    """Return the words of the prompts of numbers, days and months, by file name."""
    known = {f"{kind}{number}": word for kind, words in NUMBERS.items() for number, word in enumerate(words.split())}
    known |= {f"{10 * ten}": word for ten, word in enumerate(TENS.split(), start=2)}
    known |= {f"h-{10 * ten}": f"{word[:-1]}ieth" for ten, word in enumerate(TENS.split(), start=2)}
    known |= {word: word for word in f"{LARGE} {AS_IN_NUMBERS}".split()} | {
        f"h-{word}": f"{word}th" for word in LARGE.split()
    }
    return {f"digits/{name}": word for name, word in known.items()}


if __name__ == "__main__":
    main()
