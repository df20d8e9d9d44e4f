"""JSON files that others have written: whatever is wrong with one is one InputError in one line."""

import json

import pytest

from photism.errors import InputError
from photism.json_files import LIMITS, check_library_files, read_json, read_json_object, read_texts

DAMAGES = {
    "empty": (b"", "Expecting value"),
    "text": (b"not JSON", "Expecting value"),
    "cut off": (b'{"a": 1', "Expecting"),
    "latin-1": ('{"a": "é"}'.encode("latin1"), "can't decode byte 0xe9"),
    "UTF-16": ('{"a": "é"}'.encode("utf16"), "can't decode byte"),
    "zeros": (b"\0" * 9, "Expecting value"),
    "nested lists": (b"[" * 5000 + b"]" * 5000, "it is nested too deeply"),
    "nested objects": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "it is nested too deeply"),
    "a long number": (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
}


@pytest.mark.parametrize(("content", "reason"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("read", [read_json, read_json_object, read_texts])
def test_a_damaged_file_is_one_error_in_one_line(tmp_path, read, content, reason):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^model talk has an unreadable config\.json: .*{reason}") as error:
        read(path, "model talk")
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"model talk has an unreadable a\.json: .*a\.json: no such file or directory"):
        read_json(tmp_path / "a.json", "model talk")
    with pytest.raises(InputError, match=r"model talk has an unreadable .*: is a directory"):
        read_json(tmp_path, "model talk")


@pytest.mark.parametrize("content", ["[]", "[1]", "null", "5", '"text"', "NaN"])
def test_an_object_is_not_something_else(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"model talk has an unreadable config\.json: it is not a JSON object"):
        read_json_object(tmp_path / "config.json", "model talk")


@pytest.mark.parametrize("content", ["{}", "null", "5", '"A koala."'])
def test_a_list_of_texts_is_not_something_else(tmp_path, content):
    (tmp_path / "captions.json").write_text(content)
    with pytest.raises(InputError, match=r"model talk has an unreadable captions\.json: it is not a list of texts"):
        read_texts(tmp_path / "captions.json", "model talk")


@pytest.mark.parametrize("entry", [None, 5, ["A koala."], {"text": "A koala."}, "", " "])
def test_an_entry_that_is_not_a_text_is_named(tmp_path, entry):
    (tmp_path / "captions.json").write_text(json.dumps(["Rain.", entry]))
    with pytest.raises(InputError, match=r"entry 1 of its list must be a text; got"):
        read_texts(tmp_path / "captions.json", "model talk")


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "captions.json").write_text('["Ein Käuzchen."]', encoding="utf-8-sig")
    assert read_texts(tmp_path / "captions.json", "model talk") == ("Ein Käuzchen.",)


@pytest.mark.parametrize(("name", "limits"), LIMITS.items())
def test_numbers_that_the_libraries_use_unchecked_have_limits(tmp_path, name, limits):
    path = tmp_path / "preprocessor_config.json"
    lowest, highest = limits
    for value in (lowest, 10**30 if highest == float("inf") else highest, None):
        path.write_text(json.dumps({"feature_extractor": {name: value}}))
        check_library_files(tmp_path, "model talk")
    for value in (lowest - 1, "x", *([] if highest == float("inf") else [highest + 1])):
        path.write_text(json.dumps({"feature_extractor": {name: value}}))
        with pytest.raises(InputError, match=f"model talk: {name} in its preprocessor_config.json must be"):
            check_library_files(tmp_path, "model talk")


@pytest.mark.parametrize("name", ["num_attention_heads", "hidden_size", "norm_num_groups", "n_positions"])
def test_sizes_are_not_negative(tmp_path, name):
    (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": -1, name: -1}))
    with pytest.raises(InputError, match=f"model talk: {name} in its config.json must be a number from 0 to"):
        check_library_files(tmp_path, "model talk")


def test_files_that_the_libraries_do_not_read_are_not_checked(tmp_path):
    (tmp_path / "captions.json").write_text("[]")
    (tmp_path / "trainer_state.json").write_text("{")
    check_library_files(tmp_path, "model talk")
    for name in ("vocab.json", "model.safetensors.index.json", "tokenizer_config.json", "generation_config.json"):
        (tmp_path / name).write_text("[]")
        with pytest.raises(InputError, match=f"model talk has an unreadable {name}: it is not a JSON object"):
            check_library_files(tmp_path, "model talk")
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"metadata": {}}, "it must have the objects metadata and weight_map"),
        ({"metadata": {}, "weight_map": {}}, "it must have the objects metadata and weight_map"),
        ({"weight_map": {"a": "x.safetensors"}}, "it must have the objects metadata and weight_map"),
        ({"metadata": {}, "weight_map": {"a": 5}}, "its shards must be files in the same folder; got 5"),
        ({"metadata": {}, "weight_map": {"a": "../x"}}, r"its shards must be files in the same folder; got '\.\./x'"),
    ],
)
@pytest.mark.parametrize(
    "name", ["model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.fp16.json"]
)
def test_an_index_of_shards_names_files_of_its_folder(tmp_path, name, content, message):
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"model talk has an unreadable {name}: {message}"):
        check_library_files(tmp_path, "model talk")
    (tmp_path / name).write_text(json.dumps({"metadata": {}, "weight_map": {"a": "x.safetensors"}}))
    check_library_files(tmp_path, "model talk")
