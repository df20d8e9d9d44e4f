"""The language model of a checkpoint, in the layout of pyctcdecode."""

import json
import math
import shutil

import pytest
from typer.testing import CliRunner

from photism import InputError, Transcriber
from photism.cli.app import app
from photism.errors import ModelWarning
from photism.extras import install_command
from photism.listening.transcription import checkpoint_language_model, kenlm_model
from photism.listening.transcription.kenlm_model import MAGIC
from photism.listening.transcription.ngram_lm import LN_10, ArpaModel

ARPA = """\\data\\
ngram 1=5
ngram 2=1

\\1-grams:
-2.0\t<unk>
-99\t<s>\t-0.5
-0.7\t</s>
-0.4\tOAT\t-0.2
-0.1\tRHO\t-0.3

\\2-grams:
-0.1\tOAT RHO

\\end\\
"""
ATTRIBUTES = {"alpha": 2.0, "beta": 0.25, "unk_score_offset": -4.0, "score_boundary": True}


@pytest.fixture
def folder(ctc_checkpoints, tmp_path):
    """Checkpoint with a language model that does not need kenlm."""
    folder = shutil.copytree(ctc_checkpoints / "w2v-bert", tmp_path / "model")
    (folder / "language_model").mkdir()
    (folder / "language_model" / "2gram.arpa").write_text(ARPA)
    (folder / "language_model" / "unigrams.txt").write_text("OAT\n")
    (folder / "language_model" / "attrs.json").write_text(json.dumps(ATTRIBUTES))
    (folder / "alphabet.json").write_text(json.dumps({"labels": [], "is_bpe": False}))
    return folder


def test_unknown_and_unlisted_words_are_less_probable(folder):
    transcriber = Transcriber.from_pretrained(folder)
    own = transcriber.language_model
    assert (own.weight, own.word_score) == (2.0, 0.25)
    model = own.model
    scores, state = [], model.begin()
    for word in ("OAT", "RHO", "EGG"):
        score, state = model.score(state, word)
        scores.append(score / math.log(10))
    # RHO is in the model, but not among the listed words.
    assert scores == pytest.approx([-0.5 - 0.4, -0.1 - 4.0, -0.3 - 2.0 - 4.0])
    assert model.end(state) / math.log(10) == pytest.approx(-0.7)


def test_it_decodes_unless_another_one_is_given_or_greedy_decoding(folder, speech):
    transcriber = Transcriber.from_pretrained(folder)
    model = transcriber.language_model.model
    with_model = transcriber(speech, language_model=model, language_model_weight=2.0, word_score=0.25).text
    greedy = transcriber(speech, beams=1).text
    assert transcriber(speech).text == with_model != greedy
    heavy = transcriber(speech, language_model=model, language_model_weight=2.0, word_score=40.0).text
    assert transcriber(speech, word_score=40.0).text == heavy != with_model
    path = folder / "language_model" / "2gram.arpa"
    other = transcriber(speech, language_model=ArpaModel(path)).text
    assert other == transcriber(speech, language_model=path, language_model_weight=0.5, word_score=1.5).text
    stream = transcriber.stream()
    stream.feed(speech)
    stream.finish()
    assert stream.transcript.text == with_model


def test_without_boundaries_beginning_and_end_have_no_score(folder):
    (folder / "language_model" / "attrs.json").write_text(json.dumps(ATTRIBUTES | {"score_boundary": False}))
    model = Transcriber.from_pretrained(folder).language_model.model
    score, state = model.score(model.begin(), "OAT")
    assert score == pytest.approx(-0.4 * LN_10)
    assert model.end(state) == 0.0


def test_a_binary_model_is_reported_where_kenlm_is_missing(folder, speech, sounds, monkeypatch):
    (folder / "language_model" / "2gram.arpa").unlink()
    (folder / "language_model" / "5gram.bin").write_bytes(MAGIC + b" 5\n\0")
    for module in (checkpoint_language_model, kenlm_model):
        monkeypatch.setattr(module, "has_kenlm", lambda: False)
    transcriber = Transcriber.from_pretrained(folder)
    install = install_command("kenlm")
    message = f"model {folder} has a language model, which is not used: it needs kenlm, {install}"
    with pytest.warns(ModelWarning) as warnings:
        text = transcriber(speech).text
    assert [str(each.message) for each in warnings] == [message]
    assert text == transcriber(speech, beams=1).text
    result = CliRunner().invoke(app, ["transcribe", str(sounds[0]), "--model", str(folder)])
    assert result.exit_code == 0
    assert result.stderr == f"photism: {message}\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("attrs.json", "[1]", r"attrs\.json must be a JSON object of numbers"),
        ("attrs.json", '{"alpha": "much"}', r"attrs\.json must be a JSON object of numbers: could not convert"),
        ("3gram.arpa", ARPA, r"must have one file with an n-gram model; it has 2gram\.arpa, 3gram\.arpa"),
        ("2gram.arpa", "text", r"2gram\.arpa must be an ARPA file"),
    ],
)
def test_a_damaged_layout_is_an_error(folder, speech, file, content, message):
    (folder / "language_model" / file).write_text(content)
    with pytest.raises(InputError, match=message):
        Transcriber.from_pretrained(folder)(speech)
