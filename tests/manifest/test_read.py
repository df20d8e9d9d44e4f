"""Manifests: what a command was given, as entries in a stable order."""

import ntpath
import os
import pickle
from itertools import islice
from pathlib import Path, PureWindowsPath

import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError, RecordingWarning
from photism.manifest.folders import _parents  # pyright: ignore[reportPrivateUsage]
from photism.manifest.read import read_manifest

WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working folder hold recordings and other files in `sounds`, of which only the header is audio."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a/2.ogg", "a/10.flac", "noise", "c [1].mp3", "@x.wav"):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WAV)
    for name in (
        ".hidden.wav",
        ".git/x.wav",
        "notes.txt",
        "image.png",
        "b.wav.part",
        "app.ts",
        "README",
        "x.lance/1.wav",
    ):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"import x from 'y';")
    return tmp_path / "sounds"


def locations(*given: str) -> list[str]:
    return [entry.location for entry in read_manifest(given)]


ALL = ["sounds/@x.wav", "sounds/a/10.flac", "sounds/a/2.ogg", "sounds/b.wav", "sounds/c [1].mp3", "sounds/noise"]


def test_a_folder_gives_its_recordings_in_a_stable_order_any_number_of_times(sounds: Path):
    manifest = read_manifest(["sounds"])
    assert [entry.location for entry in manifest] == ALL
    assert [entry.location for entry in manifest] == ALL
    assert manifest.count == len(ALL)
    assert manifest.is_collection
    assert [entry.name for entry in manifest][:2] == ["@x.wav", "a/10.flac"]


def test_names_begin_with_the_folder_if_there_are_several(sounds: Path):
    (sounds.parent / "more").mkdir()
    (sounds.parent / "more" / "b.wav").write_bytes(WAV)
    names = [entry.name for entry in read_manifest(["sounds/a", "more"])]
    assert names == ["a/10.flac", "a/2.ogg", "more/b.wav"]


def test_patterns_give_what_a_folder_gives(sounds: Path):
    assert locations("sounds/**/*.wav") == ["sounds/@x.wav", "sounds/b.wav"]
    assert locations("sounds/**") == ["sounds/" + each.removeprefix("sounds/") for each in ALL]
    assert locations("s*/?") == ["sounds/a/10.flac", "sounds/a/2.ogg"]
    assert [entry.name for entry in read_manifest(["sounds/a/*"])] == ["10.flac", "2.ogg"]


def test_files_whose_names_look_like_patterns_and_lists_are_files(sounds: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(sounds)
    manifest = read_manifest(["c [1].mp3", "@x.wav", "https://user:secret@example.org/a/b.wav?token=1", "-"])
    assert [entry.location for entry in manifest] == [
        "c [1].mp3", "@x.wav", "https://example.org/a/b.wav?token=***", "-"
    ]  # fmt: skip
    assert [entry.name for entry in manifest] == ["c [1].mp3", "@x.wav", "b.wav", "stdin"]
    assert not manifest.is_collection


def test_a_list_is_relative_to_its_folder_or_else_to_the_working_folder(sounds: Path):
    lines = ["a/2.ogg", "", "sounds/b.wav", "missing.wav", "../sounds/noise", str(sounds / "@x.wav"), "a"]
    (sounds / "list.txt").write_text("\r\n".join(lines), encoding="utf-16")
    with pytest.warns(RecordingWarning, match=r"sounds/a/2\.ogg: listed more than once; read once"):
        entries = list(read_manifest(["@sounds/list.txt"]))
    assert [entry.location for entry in entries] == [
        "sounds/a/2.ogg", "sounds/b.wav", "sounds/missing.wav", "sounds/../sounds/noise", str(sounds / "@x.wav"),
        "sounds/a/10.flac",
    ]  # fmt: skip
    assert [entry.name for entry in entries] == [
        "a/2.ogg", "sounds/b.wav", "missing.wav", "noise", "@x.wav", "a/10.flac"
    ]  # fmt: skip
    assert [entry.problem for entry in entries if entry.problem] == ["sounds/missing.wav: no such file"]
    with pytest.raises(InputError, match=r"^sounds/missing\.wav: no such file$"):
        entries[2].sound(ReadingSettings())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["missing.wav"], "missing.wav: no such file"),
        (["sounds/*.aac"], r"sounds/\*.aac: no recording matches this pattern"),
        (["sounds/.git"], "sounds/.git: no recordings in this folder"),
        (["@missing.txt"], "@missing.txt: no such file as missing.txt"),
        (["-", "-"], "- is given twice"),
    ],
)
def test_what_is_missing_is_an_error_at_once(sounds: Path, given: list[str], message: str):
    (sounds / ".git" / "x.wav").unlink()
    with pytest.raises(InputError, match=message):
        read_manifest(given)


@pytest.mark.filterwarnings("ignore::photism.errors.RecordingWarning")
def test_problems_are_yielded_once_too(sounds: Path):
    (sounds / "lost.wav").symlink_to("nowhere")
    problems = [entry.problem for entry in read_manifest(["sounds", "sounds/b.wav", "sounds"]) if entry.problem]
    assert problems == ["sounds/lost.wav: no such file"]


def test_a_missing_file_next_to_others_is_a_problem_of_its_own(sounds: Path):
    entries = list(read_manifest(["gone.wav", "sounds/b.wav"]))
    assert [entry.problem for entry in entries] == ["gone.wav: no such file", ""]


def test_standard_input_is_another_recording_in_each_manifest():
    first, again = (read_manifest(["-"]) for _ in range(2))
    assert next(iter(first)).key == next(iter(first)).key != next(iter(again)).key


def test_the_folders_that_were_given_are_known(sounds: Path):
    assert read_manifest(["sounds", "sounds/b.wav"]).folders == (str(sounds),)


def test_links_are_followed_once_and_loops_end(sounds: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "o.wav").write_bytes(WAV)
    (outside / "back").symlink_to(sounds)
    for name, target in (("a/up", ".."), ("l1", outside), ("l2", outside), ("lost.wav", "nowhere"), ("same", "a")):
        (sounds / name).symlink_to(target)
    entries = {entry.name: entry for entry in read_manifest(["sounds"])}
    assert sorted(set(entries) - {each.removeprefix("sounds/") for each in ALL}) == ["l1/deep/o.wav", "lost.wav"]
    assert entries["lost.wav"].problem == "sounds/lost.wav: no such file"


def test_links_that_cannot_be_followed_do_not_stop_the_others(sounds: Path):
    for name in ("a/itself", "itself.wav", "too-long"):
        (sounds / name).symlink_to("x" * 300 if name == "too-long" else Path(name).name)
    entries = {entry.location: entry.problem for entry in read_manifest(["sounds"])}
    assert {each: problem for each, problem in entries.items() if problem} == {
        "sounds/itself.wav": "sounds/itself.wav: too many levels of symbolic links"
    }
    assert locations("sounds") == locations("sounds/**/*") == sorted([*ALL, "sounds/itself.wav"])


def test_a_folder_that_cannot_be_read_is_a_problem_and_the_others_go_on(sounds: Path, monkeypatch: pytest.MonkeyPatch):
    scandir = os.scandir

    def refusing(path: str) -> object:
        if path == "sounds/a":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    entries = list(read_manifest(["sounds"]))
    assert len(entries) == len(ALL) - 1
    assert [entry.problem for entry in entries if entry.problem] == ["sounds/a: permission denied"]


def test_the_key_depends_on_place_and_version_not_on_the_working_folder(sounds: Path, monkeypatch: pytest.MonkeyPatch):
    before = next(iter(read_manifest(["sounds/b.wav"])))
    monkeypatch.chdir(sounds)
    same = next(iter(read_manifest(["b.wav"])))
    assert pickle.loads(pickle.dumps(same)).key == same.key == before.key
    os.utime("b.wav", ns=(1, 1))
    changed = next(iter(read_manifest(["b.wav"])))
    assert (changed.key[:16], len(changed.key)) == (before.key[:16], 24)
    assert changed.key[16:] != before.key[16:]


def test_a_pattern_follows_links_once_as_a_folder_does(sounds: Path, tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.wav").write_bytes(WAV)
    for name, target in (("a/up", ".."), ("again", "."), ("l1", "../outside"), ("out", "../..")):
        (sounds / name).symlink_to(target)
    of_folder = locations("sounds")
    assert of_folder == sorted([*ALL, "sounds/l1/o.wav"])
    assert locations("sounds/**/*") == of_folder
    assert locations("sounds/**") == of_folder
    assert locations("sounds/**/**/*.wav") == [each for each in of_folder if each.endswith(".wav")]


def test_a_recursive_pattern_without_a_folder_before_it(sounds: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(sounds)
    assert locations("**/*.wav") == ["@x.wav", "b.wav"]
    assert locations(f"{sounds}/**/*.wav") == [f"{sounds}/@x.wav", f"{sounds}/b.wav"]


def test_names_stay_in_the_output_folder(sounds: Path):
    (sounds / "a.wav").write_bytes(WAV)
    assert [entry.name for entry in read_manifest(["sounds/*/../a.wav"])] == ["a.wav"]
    assert [entry.name for entry in read_manifest(["sounds/*/../../sounds/b.wav"])] == ["b.wav"]
    assert next(iter(read_manifest(["sounds/**"]))).name == "@x.wav"


def test_patterns_on_windows(sounds: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("photism.manifest.files.PurePath", PureWindowsPath)
    monkeypatch.setattr(os.path, "relpath", lambda path, start: path.removeprefix(f"{start}/").replace("/", "\\"))
    assert [entry.name for entry in read_manifest(["sounds/*/*"])] == ["a/10.flac", "a/2.ogg"]
    monkeypatch.setattr(os.path, "dirname", ntpath.dirname)
    assert list(islice(_parents("C:\\sounds\\b.wav"), 9)) == ["C:\\sounds", "C:\\"]


def test_the_recordings_of_folders_in_a_list_are_counted(sounds: Path):
    (sounds.parent / "empty").mkdir()
    Path("list.txt").write_text("sounds\ngone.wav\nempty\n")
    manifest = read_manifest(["@list.txt"])
    assert manifest.count == len(list(manifest)) == len(ALL) + 2
    assert [entry.problem for entry in manifest][-1] == "empty: no recordings"


def test_spaces_around_a_line_of_a_list_count_only_in_the_name_of_a_file(sounds: Path):
    (sounds / "d.wav ").write_bytes(WAV)
    (sounds / "list.txt").write_text("b.wav \n\ta/2.ogg\nd.wav \n \n https://example.org/a.wav \n")
    assert locations("@sounds/list.txt") == [
        "sounds/b.wav", "sounds/a/2.ogg", "sounds/d.wav ", "https://example.org/a.wav"
    ]  # fmt: skip
