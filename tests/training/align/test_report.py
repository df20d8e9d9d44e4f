import shutil

import pytest
import torch

from photism.prompts.diffusion import load_diffusion
from photism.training.align.report import report_corpus
from photism.training.align.targets import prepare_targets
from photism.training.data.feature_cache import prepare_corpus
from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.readers import Example

LONG = "a caption of far more letters than this tokenizer takes"


@pytest.fixture(scope="module")
def report(captioned, models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    shutil.copy(captioned / "1.wav", folder / "copy.wav")
    examples = [
        Example("1", captioned / "1.wav", ("rain",), "train", group="someone"),
        Example("2", captioned / "2.wav", (LONG, "wind"), "train"),
        Example("17", captioned / "17.wav", ("rain",), "train"),
        Example("copy", folder / "copy.wav", ("rain",), "validation", group="someone"),
        Example("gone", folder / "gone.wav", ("rain",), "train"),
    ]
    corpus = prepare_corpus(examples, folder / "corpus", settings=FeatureSettings(), max_unreadable=0.5)
    source = models / "sd" / "diffusion"
    pipeline = load_diffusion(source, device=torch.device("cpu"), dtype=torch.float32, text_only=True)
    targets = prepare_targets(["rain", LONG, "wind"], pipeline, folder, name="test")
    return report_corpus(corpus, targets, batch_size=3, negatives=1.25, max_duration_s=1.0)


def test_what_is_told(report):
    sounds, train = report.sounds, report.sounds.train
    assert (train.clips, train.texts) == (3, 3)
    assert train.hours == pytest.approx((0.55 + 0.6 + 1.35) / 3600)
    assert (train.shortest_s, train.median_s, train.longest_s) == pytest.approx((0.55, 0.6, 1.35))
    assert sounds.validation.clips == 1
    assert report.cut_captions == [LONG]
    assert sounds.repeated_sounds == 1
    assert sounds.leaked_sounds == ["1"]
    assert sounds.leaked_groups == ["someone"]
    assert sounds.cropped == 1
    assert [name for name, _ in sounds.unreadable] == ["gone"]


def test_lines(report):
    text = "\n".join(report.lines())
    for line in (
        "train: 3 sounds, 0.00 h, 0.6 to 1.4 s (median 0.6), 3 distinct captions",
        "a batch of 3 has 1.2 distinct negatives",
        "1 sounds are longer than max_duration_s",
        "1 sounds are in both splits: 1",
        "1 speakers are in both splits: someone",
        "1 captions are cut by the tokenizer: a caption of",
        "1 sounds cannot be read and are left out:\n  gone: source",
    ):
        assert line in text, text
