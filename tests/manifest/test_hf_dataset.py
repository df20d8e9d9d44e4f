"""Recordings of data sets of `datasets`."""

from pathlib import Path

import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.errors import InputError
from photism.manifest.hf_dataset import open_splits
from photism.manifest.places import sound_at
from photism.manifest.read import read_manifest
from tests.fuzz.corpus import encode

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save two splits, of two recordings and of one, to `saved`, and as Parquet files to `files`."""
    folder = tmp_path_factory.mktemp("datasets")
    names = datasets.ClassLabel(names=["dog", "owl"])
    splits = datasets.DatasetDict()
    for name, labels in {"train": [1, 0], "test": [-1]}.items():
        columns = {
            "recording": [{"bytes": encode("flac"), "path": f"{number}.flac"} for number in range(len(labels))],
            "label": labels,
            "text": [f"{name} {number}" for number in range(len(labels))],
        }
        split = datasets.Dataset.from_dict(columns).cast_column("label", names)
        splits[name] = split.cast_column("recording", datasets.Audio(decode=False))
        (folder / "files").mkdir(exist_ok=True)
        splits[name].to_parquet(folder / "files" / f"{name}-00000-of-00001.parquet")
    splits.save_to_disk(folder / "saved")
    return folder


@pytest.fixture(autouse=True)
def inside(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the folder of the data sets the working folder, without a network."""
    monkeypatch.chdir(saved)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("name", ["saved", "files"])
def test_the_rows_of_a_data_set_are_recordings_with_columns(name: str):
    manifest = read_manifest([name])
    entries = {entry.location: entry for entry in manifest}
    assert sorted(entries) == [f"{name}/test/0", f"{name}/train/0", f"{name}/train/1"]
    assert [entries[f"{name}/{row}"].columns for row in ("train/0", "train/1", "test/0")] == [
        {"label": "owl", "text": "train 0"}, {"label": "dog", "text": "train 1"}, {"label": None, "text": "test 0"}
    ]  # fmt: skip
    assert manifest.is_collection
    assert manifest.count == (3 if name == "saved" else None)
    entry = entries[f"{name}/train/1"]
    assert (entry.name, entry.absolute_location) == ("train/1", str(Path(f"{name}/train/1").absolute()))
    assert load_waveform(entry.sound(ReadingSettings())).duration_s == 0.6


@pytest.mark.parametrize("name", ["saved", "files"])
def test_one_split_can_be_chosen(name: str):
    (entry,) = read_manifest([f"{name}/test"])
    assert entry.columns["text"] == "test 0"


@pytest.mark.parametrize("name", ["saved", "files"])
def test_a_row_is_opened_by_its_location_alone(name: str):
    for folder in ("", Path.cwd()):
        assert load_waveform(sound_at(f"{name}/train/1", folder=folder)).duration_s == 0.6
    with pytest.raises(InputError, match=f"^{name}/train/2: no such recording$"):
        load_waveform(sound_at(f"{name}/train/2"))


def test_the_version_is_that_of_the_recording():
    first, second = (entry for entry in read_manifest(["saved"]) if "train" in entry.location)
    assert first.version == second.version
    assert first.key != second.key


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("files/dev", r"^files has no split dev; it has t"),
        ("owner/nothing", r"^owner/nothing: no such file or folder, and no data set of this name: "),
        ("recordings.wav", r"^recordings\.wav: no such file$"),
        ("recordings", r"^recordings: no such file$"),
        ("files/train/1", r"^files/train/1: no such file$"),
    ],
)
def test_what_is_missing_is_an_error_at_once(name: str, message: str):
    with pytest.raises(InputError, match=message):
        read_manifest([name])


def test_the_hub_is_asked_once_for_a_path_that_is_mistyped(monkeypatch: pytest.MonkeyPatch, caplog):
    asked: list[str] = []

    def refuse(self: object, data: str, **kwargs: object) -> None:
        asked.append(data)
        raise OSError("no connection\nmore")

    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", refuse)
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: pytest.fail("the hub was asked again"))
    message = r"^owner/nothing: no such file or folder, and no data set of this name: no connection$"
    with pytest.raises(InputError, match=message):
        read_manifest(["owner/nothing"])
    with pytest.raises(
        InputError, match=r"^data nothing is no folder and cannot be loaded as a data set: no connection$"
    ):
        open_splits("nothing")
    assert (asked, caplog.records) == (["owner/nothing", "nothing"], [])
