from pathlib import Path

import pytest

from photism.errors import InputError
from photism.files import check_writable, written_beside, written_whole


def test_a_file_that_is_whole_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "heard.csv"
    target.write_text("before")
    with written_whole(target) as file:
        file.write("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "heard.csv"
    target.write_text("before")

    def break_off() -> None:
        with written_beside(target) as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_way_is_told_with_the_option_that_named_it(tmp_path: Path) -> None:
    target = tmp_path / "heard.csv"
    check_writable(target, "-o", force=False)
    target.write_text("before")
    check_writable(target, "-o", force=True)
    with pytest.raises(InputError, match=r"heard.csv exists; give another name with -o, or --force to overwrite it$"):
        check_writable(target, "-o", force=False)
    with pytest.raises(InputError, match=r"^--plot: the folder .*none does not exist; create it$"):
        check_writable(tmp_path / "none" / "heard.png", "--plot", force=True)
    with pytest.raises(InputError, match=r"exists"):
        check_writable(tmp_path, "-o", force=True)
