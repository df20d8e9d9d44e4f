import json

import pytest
from transformers import AutoTokenizer

from photism.errors import InputError
from photism.training.data.transcripts import Vocabulary, count_characters, min_path_length


def test_encode_and_decode():
    vocabulary = Vocabulary.of(["abba cab", "a-b"])
    assert dict(vocabulary.ids) == {"[PAD]": 0, "[UNK]": 1, "|": 2, "-": 3, "a": 4, "b": 5, "c": 6}
    assert vocabulary.encode("abba x cab") == [4, 5, 5, 4, 2, 6, 4, 5]  # x is not known, nor is a space left of it
    # a blank parts two equal ones; repetitions, unknown ones and delimiters at the ends write nothing
    assert vocabulary.decode([0, 2, 4, 4, 5, 0, 5, 5, 4, 1, 2, 0, 2, 6, 0]) == "abba c"


def test_rare_characters_are_not_in_the_vocabulary():
    counts = count_characters(["aab ab", "ac"])
    assert counts == {"a": 4, "b": 2, "c": 1}
    assert len(Vocabulary.of(["aab ab", "ac"], min_count=2)) == 5


def test_min_path_length():
    assert min_path_length([4, 5, 6]) == 3
    assert min_path_length([4, 4, 5, 5, 5]) == 5 + 3
    assert min_path_length([]) == 0


def test_transformers_reads_it(tmp_path):
    vocabulary = Vocabulary.of(["l'été à la mer"])
    vocabulary.save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2-bert"}))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == len(vocabulary)
    assert tokenizer.pad_token_id == 0
    labels = vocabulary.encode("la mer à l'été")
    assert tokenizer("la mer à l'été").input_ids == labels
    path = [0, labels[0], labels[0], 0, *labels[1:]]
    assert tokenizer.decode(path) == vocabulary.decode(path) == "la mer à l'été"
    assert Vocabulary.read(tmp_path / "vocab.json") == vocabulary


@pytest.mark.parametrize("content", ["[]", "{", '{"[PAD]": 0, "a": 1}', '{"[PAD]": 0, "[UNK]": 1, "|": 3}'])
def test_an_invalid_vocabulary_file(tmp_path, content):
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(InputError, match="vocabulary must "):
        Vocabulary.read(tmp_path / "vocab.json")
