"""Texts of log-probabilities compared with those of transformers' tokenizers, for the layouts that are published."""

import numpy as np
import pytest

from photism.listening.transcription.decoder import make_decoder
from photism.listening.transcription.decoding_options import DecodingSettings
from photism.listening.transcription.transcript import Transcript, tokens_to_words
from photism.listening.transcription.vocabulary import Vocabulary
from tests.support.ctc_tokenizers import LAYOUTS, load_layout

FRAMES = 60
PEAK = 12.0
"""Logit of the most probable token, with which a beam search finds the same text as greedy decoding."""


@pytest.fixture(params=[name for name in LAYOUTS if name != "word as a delimiter"])
def layout(request, tmp_path):
    """Tokenizer and vocabulary."""
    tokenizer = load_layout(request.param, tmp_path)
    return tokenizer, Vocabulary.from_tokenizer(tokenizer, len(LAYOUTS[request.param].tokens))


def random_paths(vocabulary, count=4):
    """Return token numbers (count, F) without special tokens, every third of which is a blank or space."""
    generator = np.random.default_rng(0)
    spaces = [vocabulary.blank_id, *vocabulary.delimiter_ids]
    letters = generator.choice(vocabulary.text_ids, (count, FRAMES))
    return np.where(generator.random((count, FRAMES)) < 0.35, generator.choice(spaces, (count, FRAMES)), letters)


def transcribe(path, vocabulary, **settings):
    logits = PEAK * np.eye(len(vocabulary), dtype=np.float32)[path]
    logits[:, sorted(vocabulary.ignored_ids)] = -np.inf
    log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    decode = make_decoder(DecodingSettings(**settings), vocabulary)
    words = tokens_to_words(decode(log_probs), log_probs, vocabulary, frame_s=1.0)
    return Transcript(words, float(FRAMES), separator=vocabulary.separator)


def merge_separators(text, separator):
    """Return a text in which repeated separators are one, as in a transcript."""
    return separator.join(part for part in text.split(separator) if part) if separator else text


def test_texts_are_those_of_the_tokenizer(layout):
    tokenizer, vocabulary = layout
    word = "".join(vocabulary.tokens[index] for index in vocabulary.text_ids[-2:]).split()[0]
    for path in random_paths(vocabulary):
        if vocabulary.joins_punctuation:  # a repeated space is no single one before punctuation
            path = without_repeated_spaces(path, vocabulary)
        expected = merge_separators(tokenizer.decode(path), vocabulary.separator)
        assert len(expected) > FRAMES / 4
        assert transcribe(path, vocabulary).text == expected
        assert transcribe(path, vocabulary, beams=5).text == expected
        assert transcribe(path, vocabulary, hot_words=(word,), beams=5, hot_word_weight=0.1).text == expected


def without_repeated_spaces(path, vocabulary):
    """Return a path in which blanks take the place of spaces that follow a space without letters in between."""
    path, is_after_space = path.copy(), True
    for frame, token in enumerate(path.tolist()):
        is_space = token in vocabulary.delimiter_ids
        if is_space and is_after_space:
            path[frame] = vocabulary.blank_id
        is_after_space = is_space or (is_after_space and token == vocabulary.blank_id)
    return path


def test_word_times_are_those_of_the_tokenizer(layout):
    tokenizer, vocabulary = layout
    if not hasattr(tokenizer, "_get_word_offsets") or vocabulary.joins_punctuation:
        pytest.skip("transformers has no times of words for this tokenizer, or does not join their punctuation")
    for path in random_paths(vocabulary, count=3):
        expected = tokenizer.decode(path, output_word_offsets=True).word_offsets
        found = transcribe(path, vocabulary).words
        assert [(each.start_s, each.end_s) for each in found] == [
            (each["start_offset"], each["end_offset"]) for each in expected
        ]


def test_a_delimiter_of_several_letters_is_a_space(tmp_path):
    """Check a layout whose delimiter transformers 4 reads, while transformers 5 prints it."""
    tokenizer = load_layout("word as a delimiter", tmp_path)
    vocabulary = Vocabulary.from_tokenizer(tokenizer, len(LAYOUTS["word as a delimiter"].tokens))
    path = np.array([5, 0, 4, 4, 0, 4, 6, 7])
    assert transcribe(path, vocabulary).text == "a bc"
    assert tokenizer.decode(path) == "a<space><space>bc"
