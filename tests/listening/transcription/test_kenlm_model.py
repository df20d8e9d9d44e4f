"""N-gram models read by the library kenlm, compared with our own reader and with kenlm's own scores."""

import importlib
import math
import re
from importlib.util import find_spec

import numpy as np
import pytest

from photism import InputError
from photism.extras import install_command
from photism.listening.transcription import kenlm_model
from photism.listening.transcription.kenlm_model import MAGIC, KenlmModel, is_binary, read_language_model
from photism.listening.transcription.ngram_lm import ArpaModel

needs_kenlm = pytest.mark.skipif(find_spec("kenlm") is None, reason="the library kenlm is not installed")
WORDS = ["cat", "sat", "Mat", "dog", "unheard", "on"]


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    """Random trigram model in which every suffix of an n-gram is an n-gram, as kenlm requires."""
    generator = np.random.default_rng(0)
    known = [*WORDS[:4], "on"]
    unigrams = ["<unk>", "<s>", "</s>", *known]
    pairs = [f"{a} {b}" for a in ("<s>", *known) for b in (*known, "</s>") if generator.random() < 0.5]
    triples = [f"{a} {pair}" for a in ("<s>", *known) for pair in pairs if f"{a} {pair.split()[0]}" in pairs][::2]
    lines = ["\\data\\", *(f"ngram {n}={len(grams)}" for n, grams in enumerate((unigrams, pairs, triples), 1)), ""]
    for order, grams in enumerate((unigrams, pairs, triples), 1):
        lines.append(f"\\{order}-grams:")
        for gram in grams:
            back_off = "" if order == 3 else f"\t{-generator.random():.4f}"
            lines.append(f"{-3 * generator.random():.4f}\t{gram}{'' if gram in ('</s>', '<unk>') else back_off}")
        lines.append("")
    path = tmp_path_factory.mktemp("lm") / "cats.arpa"
    path.write_text("\n".join([*lines, "\\end\\", ""]))
    return path


def score(model, words):
    state, total = model.begin(), 0.0
    for word in words:
        log_prob, state = model.score(state, word)
        total += log_prob
    return total + model.end(state)


@needs_kenlm
@pytest.mark.parametrize("has_boundaries", [True, False])
def test_scores_are_those_of_kenlm(arpa, has_boundaries):
    theirs = importlib.import_module("kenlm").Model(str(arpa))
    models = [KenlmModel(arpa, has_boundaries=has_boundaries), ArpaModel(arpa, has_boundaries=has_boundaries)]
    generator = np.random.default_rng(1)
    for _ in range(200):
        words = [str(word) for word in generator.choice(WORDS, generator.integers(0, 8))]
        expected = math.log(10) * theirs.score(" ".join(words), bos=has_boundaries, eos=has_boundaries)
        assert [score(model, words) for model in models] == pytest.approx([expected] * 2, abs=1e-4)


@needs_kenlm
def test_words_are_known_in_any_case(arpa):
    for model in (KenlmModel(arpa), ArpaModel(arpa)):
        assert score(model, ["CAT", "Sat"]) == pytest.approx(score(model, ["cat", "sat"]))
        assert [model.knows(word) for word in ("CAT", "Mat", "mat", "unheard")] == [True, True, False, False]


def test_a_binary_file_is_recognised_by_its_content(arpa, tmp_path, monkeypatch):
    path = tmp_path / "any.name"
    path.write_bytes(MAGIC + b" 5\n\0")
    assert is_binary(path)
    assert not is_binary(arpa)
    assert isinstance(read_language_model(arpa), ArpaModel)
    monkeypatch.setattr(kenlm_model, "has_kenlm", lambda: False)
    install = re.escape(install_command("kenlm"))
    with pytest.raises(InputError, match=rf"any\.name needs the library kenlm: {install}, or give"):
        read_language_model(path)


@needs_kenlm
def test_a_damaged_binary_file_is_an_error(tmp_path):
    path = tmp_path / "damaged.bin"
    path.write_bytes(MAGIC + b" 5\n\0")
    with pytest.raises(InputError, match=r"damaged\.bin cannot be read by kenlm"):
        read_language_model(path)
