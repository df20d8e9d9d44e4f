"""What the code of the documents finds: a hub cache, a data set, and a device."""

import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photism

TEXTS = (
    "MR QUILTER IS THE APOSTLE OF THE MIDDLE CLASSES AND WE ARE GLAD TO WELCOME HIS GOSPEL",
    "NOR IS MISTER QUILTER'S MANNER LESS INTERESTING THAN HIS MATTER",
)
SAMPLES = (93_680, 77_040)
"""Lengths of the first two recordings of hf-internal-testing/librispeech_asr_demo."""

IMPORT = re.compile(r"^from \w+ import (?P<names>.+)$", re.MULTILINE)


@pytest.fixture(scope="session")
def hub_cache(tmp_path_factory: pytest.TempPathFactory, ctc_checkpoints: Path, sound_models: Path) -> Path:
    """Return a cache of the hub with the checkpoints of the documents."""
    from tests.support.hub_cache import fill_hub_cache

    folder = tmp_path_factory.mktemp("hub")
    fill_hub_cache(
        folder / "cache",
        folder,
        ctc=ctc_checkpoints / "w2v-bert-adapter",
        wav2vec2=ctc_checkpoints / "wav2vec2",
        sound=sound_models / "sound",
        speech=sound_models / "speech",
    )
    return folder / "cache"


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two wav files of noise, of the lengths of the documents' first two recordings."""
    noise = np.random.default_rng(0)
    paths = [tmp_path_factory.mktemp("recordings") / f"{length}.wav" for length in SAMPLES]
    for length, path in zip(SAMPLES, paths, strict=True):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((3000 * noise.standard_normal(length)).astype("<i2").tobytes())
    return paths


@pytest.fixture(scope="module", autouse=True)
def documents_world(offline_hub: None) -> None:
    """Let the code of the documents run offline and on small data. A module of quick tests overrides this."""


@pytest.fixture(scope="module")
def offline_hub(hub_cache: Path, recordings: list[Path]) -> Iterator[None]:
    """Let the code of the documents run offline and on small data."""
    import datasets
    import huggingface_hub

    from photism.audio.waveform import load_waveform

    def load_dataset(*_: object, **__: object) -> datasets.Dataset:
        """Replace the data sets of the documents by two recordings."""
        files, texts = [str(path) for path in recordings[::-1]], list(TEXTS[::-1])
        rows = {"id": ["1", "0"], "audio": files, "path": files, "text": texts, "transcription": texts}
        rows |= {"english_transcription": texts, "intent_class": [1, 0], "lang_id": [0, 0]}
        intents = datasets.ClassLabel(names=["abroad", "address"])
        data = datasets.Dataset.from_dict(rows).cast_column("intent_class", intents)
        return data.cast_column("audio", datasets.Audio(sampling_rate=16_000))

    def decode_example(feature: datasets.Audio, value: dict[str, Any], **_: object) -> dict[str, Any]:
        """Decode as datasets below version 4 did, for which the documents were written, and without torchcodec."""
        waveform = load_waveform(value["path"])
        return {"path": value["path"], "array": waveform.samples, "sampling_rate": feature.sampling_rate}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub_cache))
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        patch.setattr(datasets, "load_dataset", load_dataset)
        patch.setattr(datasets.Audio, "decode_example", decode_example)
        yield


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the code of the documents writes go into an empty folder."""
    monkeypatch.chdir(tmp_path)


def run(code: str, *, changed: bool = False, **names: Any) -> dict[str, Any]:
    """Run code of a document and return its names.

    Args:
        code: the code as it is printed.
        changed: import from photism what it exports.
        names: what the code before it has defined.
    """
    if changed:
        code = IMPORT.sub(_from_photism, code)
    code = code.replace('"cuda"', '"cpu"')  # the only other change: the tests need no GPU
    exec(compile(code, "document", "exec"), names)
    return names


def _from_photism(line: re.Match[str]) -> str:
    imported = set(re.split(r",\s*", line["names"]))
    return f"from photism import {line['names']}" if imported <= set(dir(photism)) else line[0]
