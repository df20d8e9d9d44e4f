import numpy as np
import pytest

from photism import InputError
from photism.collection.query import query_vector

OWL, TRAFFIC, RAIN = np.eye(3)


class Embedder:
    """Texts are vectors of length 2, and sounds, which are named in this test, of length 1."""

    directions = {"owl": OWL, "traffic": TRAFFIC, "rain": RAIN}  # noqa: RUF012

    def embed_texts(self, texts, *, literal):
        return np.stack([2 * self.directions[text] for text in texts]).astype(np.float32)

    def embed(self, sounds):
        return np.stack([self.directions[sound] for sound in sounds]).astype(np.float32)


def test_texts_recordings_and_vectors_have_the_same_weight():
    query = query_vector(Embedder(), texts=["owl"], sounds=["rain"], vectors=[5 * TRAFFIC])

    np.testing.assert_allclose(query, np.ones(3) / 3**0.5)


def test_what_is_excluded_moves_down_in_proportion_to_its_similarity():
    plain = query_vector(Embedder(), texts=["owl"])
    query = query_vector(Embedder(), texts=["owl"], not_texts=["traffic"], not_weight=0.5)
    owl, both, traffic, rain = OWL, (OWL + TRAFFIC) / 2**0.5, TRAFFIC, RAIN

    assert [row @ query for row in (owl, both, traffic, rain)] == pytest.approx([1, 0.5 / 2**0.5, -0.5, 0])
    assert [row @ plain for row in (owl, both, traffic, rain)] == pytest.approx([1, 1 / 2**0.5, 0, 0])


def test_excluded_recordings_count_as_excluded_texts_do():
    by_text = query_vector(Embedder(), texts=["owl"], not_texts=["rain", "traffic"])
    by_sound = query_vector(Embedder(), texts=["owl"], not_sounds=["rain", "traffic"])

    np.testing.assert_allclose(by_text, by_sound)
    np.testing.assert_allclose(by_text, OWL - 0.5 * (RAIN + TRAFFIC) / 2**0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing is searched for; give a text or --sound"),
        ({"not_texts": ["traffic"]}, "nothing is searched for"),
        ({"texts": ["owl", " "]}, "a text to search for is blank"),
        ({"vectors": [np.zeros(3)]}, "must be finite and not zero"),
        ({"vectors": [np.full(3, np.inf)]}, "must be finite and not zero"),
        ({"vectors": [np.ones(3), np.ones(2)]}, "must have one shape"),
    ],
)
def test_queries_that_cannot_be_used(arguments, message):
    with pytest.raises(InputError, match=message):
        query_vector(Embedder(), **arguments)


def test_texts_need_a_model():
    with pytest.raises(InputError, match="need a model"):
        query_vector(None, texts=["owl"])
