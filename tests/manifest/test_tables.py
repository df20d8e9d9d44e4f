import json

import pytest

from photism.errors import InputError
from photism.manifest.tables import read_json_lines, read_table


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_a_line_feed_ends_a_json_line(tmp_path, separator, end):
    rows = [{"file_name": "a.wav", "text": f"one{separator}two"}, {"file_name": "b.wav", "text": "three"}]
    path = tmp_path / "metadata.jsonl"
    lines = [json.dumps(row, ensure_ascii=separator < " ") for row in rows]  # JSON escapes control characters
    path.write_text(end.join([*lines, ""]), encoding="utf8", newline="")
    assert list(read_json_lines(path)) == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf8", "utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets(tmp_path, delimiter, encoding):
    path = tmp_path / "metadata.csv"
    lines = ["file_name, text ", 'a.wav,"é, ""b""\r\nc\u2028d"', "", "b.wav,x,,"]
    lines = [line.replace(",", delimiter).replace(f"é{delimiter}", "é,") for line in lines]
    path.write_text("\r\n".join(lines), encoding=encoding, newline="")
    assert list(read_table(path)) == [
        {"file_name": "a.wav", "text": 'é, "b"\r\nc\u2028d'},
        {"file_name": "b.wav", "text": "x"},
    ]


def test_bars_part_fields_without_quotes(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_text('file_name|text\na.wav|"Yes, he said\n')
    assert list(read_table(path)) == [{"file_name": "a.wav", "text": '"Yes, he said'}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file_name,text\na.wav,yes, he said\n", "line 2, must have the 2 fields of the header; it has 3: put a text"),
        ('file_name,text\na.wav,"yes\nb.wav,no\n', "line 3, must be CSV; it cannot be read: unexpected end of data"),
        ("file_name,text\na.wav,y\0s\n", "line 2 contains a NUL character"),
    ],
)
def test_a_table_that_would_be_read_wrongly(tmp_path, content, message):
    (tmp_path / "metadata.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_table(tmp_path / "metadata.csv"))


def test_the_line_of_an_error_is_named(tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(
        InputError, match=r"metadata.jsonl, line 2, must be a JSON object; it cannot be read: Expecting"
    ):
        list(read_json_lines(tmp_path / "metadata.jsonl"))


def test_columns_of_one_name_are_numbered(tmp_path):
    (tmp_path / "list.csv").write_text("file,text, text ,text_2,text,,\na.wav,1,2,3,4,,\n")
    assert list(read_table(tmp_path / "list.csv")) == [
        {"file": "a.wav", "text": "1", "text_3": "2", "text_2": "3", "text_4": "4", "": ""}
    ]
