"""The zero-shot-audio-classification pipeline: the interface of transformers' own, the ranking of CaptionRanker."""

import json
import math

import pytest

from photism import CaptionRanker, InputError, ZeroShotAudioClassificationPipeline, pipeline
from photism.listening.zero_shot import MIXTURE_TEMPERATURE

LABELS = ["Rain.", "A bird.", "Music."]


@pytest.fixture(scope="session")
def classifier(models):
    return pipeline("zero-shot-audio-classification", model=models / "sd", device=-1)


def test_scores_are_the_softmax_of_those_of_the_ranker(classifier, sounds):
    (ranked,) = classifier.model.rank(sounds[:1], captions=LABELS, top_k=None)
    terms = [math.exp(each["score"] / MIXTURE_TEMPERATURE) for each in ranked]
    found = classifier(sounds[0], candidate_labels=LABELS)
    assert [list(each) for each in found] == [["score", "label"]] * 3
    assert [each["label"] for each in found] == [each["caption"] for each in ranked]
    assert [each["score"] for each in found] == pytest.approx([term / sum(terms) for term in terms], abs=1e-6)
    assert json.loads(json.dumps(found)) == found


def test_a_template_and_inputs_of_every_form(classifier, sounds):
    template = "This is a sound of {}"
    labels = {"candidate_labels": LABELS, "hypothesis_template": template}
    alone = [classifier(sound, **labels) for sound in sounds]
    texts = [template.replace("{}", label) for label in LABELS]
    inserted = classifier(sounds[0], candidate_labels=texts)
    assert [each["score"] for each in inserted] == [each["score"] for each in alone[0]]
    for found in (classifier(sounds, batch_size=2, **labels), list(classifier(iter(sounds), **labels))):
        for one, other in zip(found, alone, strict=True):
            scores = {each["label"]: each["score"] for each in other}
            assert {each["label"]: each["score"] for each in one} == pytest.approx(scores, abs=1e-5)
    by_default = ZeroShotAudioClassificationPipeline(model=classifier.model, **labels, framework="pt")
    assert by_default(audios=sounds[0]) == alone[0]
    assert len(by_default(sounds[0], candidate_labels=LABELS[:2])) == 2


def test_bad_arguments(classifier, sounds):
    with pytest.raises(InputError, match=r"captions must be a list of texts; got a single text"):
        classifier(sounds[0], candidate_labels="Rain.")
    with pytest.raises(InputError, match=r"template must have \{\} where the caption goes; got 'a sound'"):
        classifier(sounds[0], candidate_labels=LABELS, hypothesis_template="a sound")
    with pytest.raises(InputError, match="model must be a CaptionRanker; got object: use transformers for CLAP models"):
        ZeroShotAudioClassificationPipeline(model=object())
    with pytest.raises(TypeError, match="has no argument 'labels'"):
        ZeroShotAudioClassificationPipeline(model=classifier.model, labels=LABELS)
    assert isinstance(classifier.model, CaptionRanker)
