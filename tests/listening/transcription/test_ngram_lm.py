"""N-gram probabilities of an ARPA file, worked by hand."""

import gzip
import math

import pytest

from photism import InputError
from photism.listening.transcription.ngram_lm import ArpaModel

ARPA = """\
Anything may stand here.

\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.7\t</s>
-0.4\tcat\t-0.2
-0.6\tsat\t-0.3

\\2-grams:
-0.1\t<s> cat\t-0.05
-0.2\tcat sat\t-0.15
-0.9\tsat </s>

\\3-grams:
-0.01\t<s> cat sat

\\end\\
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "cats.arpa"
    path.write_text(ARPA)
    return ArpaModel(path)


def log10s(model, words):
    state, found = model.begin(), []
    for word in words.split():
        score, state = model.score(state, word)
        found.append(score / math.log(10))
    return [*found, model.end(state) / math.log(10)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cat sat", [-0.1, -0.01, -0.15 - 0.9]),  # bigram, trigram, back off from (cat sat) to (sat </s>)
        ("sat cat", [-0.5 - 0.6, -0.3 - 0.4, -0.2 - 0.7]),  # no known bigram: back off each time
        ("dog cat", [-0.5 - 1.0, -0.4, -0.2 - 0.7]),  # an unknown word, which has no back-off weight
        ("", [-0.5 - 0.7]),
        ("CAT Sat", [-0.1, -0.01, -0.15 - 0.9]),
    ],
)
def test_the_longest_known_n_gram_counts_with_back_off(model, words, expected):
    assert model.order == 3
    assert log10s(model, words) == pytest.approx(expected)


def test_a_unigram_model(tmp_path):
    path = tmp_path / "words.arpa"
    path.write_text("\\data\\\nngram 1=1\n\n\\1-grams:\n-0.5\tcat\n\n\\end\\\n")
    model = ArpaModel(path)
    assert model.begin() == ()
    assert log10s(model, "cat dog cat") == pytest.approx([-0.5, -10.0, -0.5, 0.0])


def test_a_byte_order_mark_and_other_spaces_in_words(tmp_path):
    path = tmp_path / "words.arpa"
    text = "\\data\\\nngram 1=2\n\n\\1-grams:\n-0.5\tl\u00a0a\n-0.25 b\t0\n\n\\end\\\n"
    path.write_text(text, encoding="utf-8-sig")
    assert log10s(ArpaModel(path), "b") == pytest.approx([-0.25, 0.0])
    assert ArpaModel(path).score((), "l\u00a0a")[0] == pytest.approx(-0.5 * math.log(10))


def test_a_compressed_file_is_the_same(model, tmp_path):
    path = tmp_path / "cats.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode()))
    assert log10s(ArpaModel(path), "cat sat") == log10s(model, "cat sat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"some text\n", r"it has no line \\data\\"),
        (ARPA.split("\\3-grams")[0].encode(), "it is truncated"),
        (ARPA.replace("cat sat\t-0.15", "cat\t-0.15\tsat x").encode(), "is not an n-gram of 2 words"),
        (b"\\data\\\n\\end\\\n", "it has no n-grams"),
        (b"\xff\xfe\x00", "must be an ARPA file"),
    ],
)
def test_a_file_that_is_no_arpa_file_is_an_error(tmp_path, content, message):
    path = tmp_path / "wrong.arpa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        ArpaModel(path)
    with pytest.raises(InputError, match="No such file"):
        ArpaModel(tmp_path / "gone.arpa")
