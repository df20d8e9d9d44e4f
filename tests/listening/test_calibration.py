"""Files of labelled pairs and of calibrations."""

import pytest

from photism import InputError
from photism.listening.calibration import Calibration, read_pairs


def test_pairs_are_read_with_paths_relative_to_the_table(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("\ufeffone,other,same\na.wav,b/c.wav,Yes\nhttps://x/d.wav,/e.wav,0\n", encoding="utf8")
    assert read_pairs(path) == [
        (str(tmp_path / "a.wav"), str(tmp_path / "b/c.wav"), True),
        ("https://x/d.wav", "/e.wav", False),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one,other,same\na.wav,,1\n", r"pairs\.csv, line 2: must have one, other, same, the last 1 or 0; got"),
        (b"one,other,same\na.wav,b.wav,1\na.wav,b.wav,maybe\n", r"pairs\.csv, line 3: must have one, other, same"),
        (b"\xff\xfe\xff", r"pairs\.csv cannot be read"),
    ],
)
def test_a_table_without_pairs_is_an_error(tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_pairs(path)


def test_a_calibration_can_be_read(tmp_path):
    found = Calibration(0.5, 0.1, 0.9, 3, 4)
    found.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == found
    (tmp_path / "c.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"c\.json cannot be read as a calibration"):
        Calibration.load(tmp_path / "c.json")
