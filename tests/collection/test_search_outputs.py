from pathlib import Path

import pytest

from photism import InputError
from photism.collection.search_outputs import SearchOutput
from photism.settings import SettingError


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("html", "found.txt", r"--html must be a file that ends in \.html or \.htm; got .*found\.txt"),
        ("playlist", "found.txt", r"--playlist must be a file that ends in \.m3u8 or \.m3u; got .*found\.txt"),
        ("html", "missing/found.html", "the folder .*missing does not exist"),
        ("playlist", "there.m3u8", "exists; give another name with --playlist, or --force"),
        ("copy_to", "there.m3u8", "--copy-to: .*there.m3u8 is not a folder"),
    ],
)
def test_files_are_checked_before_any_work(tmp_path, name, file, message):
    (tmp_path / "there.m3u8").touch()
    with pytest.raises(InputError, match=message):
        SearchOutput(**{name: tmp_path / file}).check_files()


def test_new_files_and_folders_pass_the_check(tmp_path):
    SearchOutput(
        html=tmp_path / "found.html", playlist=tmp_path / "found.M3U8", copy_to=tmp_path / "new" / "folder"
    ).check_files()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_passes_with_force(tmp_path):
    (tmp_path / "found.html").touch()
    SearchOutput(html=tmp_path / "found.html", force=True).check_files()


def test_settings_that_do_not_fit_together():
    with pytest.raises(SettingError, match="as_json and format csv exclude each other"):
        SearchOutput(as_json=True, format="csv")
    with pytest.raises(SettingError, match="embed_audio needs html, the page"):
        SearchOutput(embed_audio=True)
    assert SearchOutput(as_json=True).chosen_format == "json"
    assert SearchOutput().chosen_format == "table"
    assert not SearchOutput().writes_files
    assert SearchOutput(copy_to=Path("x")).writes_files
