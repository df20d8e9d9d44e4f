"""Labels, captions and the split of recipes/sound_events."""

from pathlib import Path

import numpy as np

from photism.training.data.captions import captions_of_labels
from recipes.sound_events.captions import UNSEEN, captions_of_kinds, label_list, sentences
from recipes.sound_events.corpus import Recording, correlations, thing_of
from recipes.sound_events.labels import KINDS, labels_of_sample, labels_of_stamp


def test_labels_go_from_the_thing_to_its_family():
    assert labels_of_stamp("animals/birds/crow", "A crow.") == ("a crow", "a bird", "an animal")
    assert labels_of_sample("drums/snare_rim01") == ("a rimshot", "a percussion instrument")
    assert labels_of_sample("GMRockKit/HatSemiOpen-Hard") == ("a hi-hat", "a percussion instrument")
    assert labels_of_sample("misc/undefined01") == ()


def test_labels_alone_are_cleaned_as_audio2img_does():
    names = label_list(("a sea lion", "a sea mammal", "an animal"))
    assert names == "Sea_lion,Sea_mammal,Animal"
    assert captions_of_labels(names) == ("Sea lion Sea mammal Animal",)


def test_sentences_of_a_thing_and_its_kind():
    made = sentences(("a crow", "a bird", "an animal"))
    assert len(made) == 10
    assert made["The sound of a crow."] == "The sound of {}."
    assert made["The sound of a crow, a bird."] == "The sound of {}, {}."
    assert not any(sentence.startswith("An animal") for sentence in made)


def test_each_wording_has_a_caption_for_each_kind():
    for wording, first in (
        ("labels", "Bird Animal"),
        ("sentences", "The sound of a bird."),
        (UNSEEN, "This is a bird."),
    ):
        captions = captions_of_kinds(wording)
        assert captions[0] == first
        assert len(set(captions)) == len(KINDS)


def test_strokes_and_numbers_do_not_make_another_thing():
    def thing(name: str, kind: str = "a hi-hat") -> str:
        return thing_of(Recording(Path(), name, (), kind))

    assert thing("hydrogen-data/GMRockKit/HatOpen-Hard") == thing("hydrogen-data/GMRockKit/HatClosed-Softest")
    assert thing("sonic-pi-samples/tabla_ghe1", "a tabla") == thing("sonic-pi-samples/tabla_te_ne", "a tabla")
    assert thing("lmms-common/drums/snare01") != thing("lmms-common/drums/snare_harsh01")


def test_a_shifted_copy_correlates_and_noise_does_not():
    generator = np.random.default_rng(0)
    noise, other = generator.standard_normal((2, 8000)).astype(np.float32)
    copy = np.concatenate([np.zeros(3000, np.float32), 0.3 * noise])
    similarity = correlations([noise, copy, other])
    assert similarity[0, 1] > 0.99
    assert similarity[0, 2] < 0.1
