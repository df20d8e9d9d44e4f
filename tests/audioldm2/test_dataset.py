"""A corpus that is made of captions: what is in it, that it goes on, and that `align` reads it."""

import json
import os
from functools import partial

import pytest

from photism import InputError
from photism.audio.waveform import load_waveform
from photism.audio.writing import read_tags
from photism.audioldm2.dataset import CorpusSettings, caption_name, make_corpus
from photism.training.data.captions import captions_of_row
from photism.training.data.readers import read_examples

CAPTIONS = ["Rain.", "A dog, barking!", "Rain."]
MAKING = {"audio_length_in_s": 0.2, "num_inference_steps": 1}


@pytest.fixture
def settings(sound_models):
    return CorpusSettings(model=str(sound_models / "sound"), making=MAKING, seed=3)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "sounds").iterdir())}


def test_align_reads_it_as_it_is(settings, tmp_path):
    told = []
    metadata = make_corpus(
        CAPTIONS, tmp_path / "a", settings, device="cpu", callback_on_sound=lambda *at: told.append(at)
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert metadata == tmp_path / "a/metadata.jsonl"
    texts = partial(captions_of_row, text_columns=None, label_template="{labels}")
    examples = list(read_examples(str(tmp_path / "a"), texts))
    assert [example.texts for example in examples] == [(caption,) for caption in CAPTIONS]
    assert [load_waveform(example.sound).duration_s for example in examples] == [0.2] * 3
    names = ["000001-rain.flac", "000002-a-dog-barking.flac", "000003-rain.flac"]
    assert list(contents(tmp_path / "a")) == names
    rows = [json.loads(line) for line in metadata.read_text().splitlines()]
    assert [row["seed"] for row in rows] == [3, 4, 5]
    assert read_tags(tmp_path / "a/sounds" / names[1])["text"] == CAPTIONS[1]


def test_an_unfinished_one_is_finished_to_the_same_files(settings, tmp_path):
    whole = tmp_path / "whole"
    make_corpus(CAPTIONS, whole, settings, device="cpu")
    left = tmp_path / "left"

    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_corpus(CAPTIONS, left, settings, device="cpu", callback_on_sound=stop)
    assert len(contents(left)) == 1
    assert len((left / "metadata.jsonl").read_text().splitlines()) == 1
    told = []
    make_corpus(CAPTIONS, left, settings, device="cpu", batch_size=2, callback_on_sound=lambda *at: told.append(at))
    assert told[0] == (1, 3)
    assert contents(left).keys() == contents(whole).keys()
    for name in contents(whole):
        one, other = (load_waveform(folder / "sounds" / name).samples for folder in (left, whole))
        assert abs(one - other).max() <= 2 / 32_767
    assert (left / "metadata.jsonl").read_text() == (whole / "metadata.jsonl").read_text()


def test_the_best_candidate_is_kept(sound_models, settings, tmp_path):
    several = CorpusSettings(model=settings.model, making=MAKING, candidates=2)
    make_corpus(["Rain."], tmp_path / "a", several, device="cpu")
    (row,) = [json.loads(line) for line in (tmp_path / "a/metadata.jsonl").read_text().splitlines()]
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

    made = AudioLDM2Pipeline.from_pretrained(settings.model, device="cpu")(
        "Rain.", **MAKING, num_waveforms_per_prompt=2, seed=0
    )
    assert row["score"] == pytest.approx(made.scores[0][0], abs=1e-5)
    assert abs(load_waveform(tmp_path / "a" / row["file_name"]).samples - made.audios[0]).max() < 3 / 32_767


def test_several_processes_make_the_same(settings, tmp_path):
    for folder, processes in (("one", 1), ("two", 2)):
        make_corpus(CAPTIONS[:2], tmp_path / folder, settings, device="cpu", processes=processes)
    assert contents(tmp_path / "one").keys() == contents(tmp_path / "two").keys()
    for name in contents(tmp_path / "one"):
        one, other = (load_waveform(tmp_path / folder / "sounds" / name).samples for folder in ("one", "two"))
        assert abs(one - other).max() <= 2 / 32_767


def test_a_process_that_is_killed(settings, tmp_path):
    with pytest.raises(InputError, match="one of 2 processes broke off; if nothing above says why, the machine was"):
        make_corpus(CAPTIONS, tmp_path, settings, device="cpu", processes=2, before_loading=partial(os._exit, 9))


def test_what_is_somebody_elses_stays(settings, tmp_path, sound_models):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="must be a new or empty folder, or one that was left unfinished"):
        make_corpus(CAPTIONS, tmp_path, settings)
    make_corpus(CAPTIONS[:1], tmp_path / "a", settings, device="cpu")
    with pytest.raises(
        InputError, match=r"holds sounds that were made otherwise \(seed, making\): to go on, give what"
    ):
        make_corpus(CAPTIONS, tmp_path / "a", CorpusSettings(model=settings.model, seed=4))
    with pytest.raises(InputError, match="captions must hold at least one caption"):
        make_corpus([], tmp_path / "b", settings)


def test_a_caption_that_is_changed_past_the_words_of_the_name_is_made_anew(settings, tmp_path):
    captions = ["A dog barks in the small yard.", "Rain."]
    make_corpus(captions, tmp_path / "a", settings, device="cpu")
    before = contents(tmp_path / "a")
    captions[0] = "A dog barks in the small hours."
    metadata = make_corpus(captions, tmp_path / "a", settings, device="cpu")
    after = contents(tmp_path / "a")
    assert [before[name] == after[name] for name in before] == [False, True]
    for caption, line in zip(captions, metadata.read_text().splitlines(), strict=True):
        row = json.loads(line)
        assert row["text"] == read_tags(tmp_path / "a" / row["file_name"])["text"] == caption


def test_a_mistake_leaves_no_settings_that_are_in_the_way(settings, tmp_path):
    wrong = CorpusSettings(model=settings.model, making={"num_inference_steps": 5000})
    with pytest.raises(InputError, match="num_inference_steps must be a whole number, from 1 to 1000"):
        make_corpus(CAPTIONS[:1], tmp_path / "a", wrong, device="cpu")
    make_corpus(CAPTIONS[:1], tmp_path / "a", settings, device="cpu")
    assert json.loads((tmp_path / "a/sound.json").read_text())["making"] == MAKING
    (tmp_path / "a/sound.json").write_text("[1]")
    with pytest.raises(InputError, match=r"sound.json must say with what a corpus was made; it cannot be read: "):
        make_corpus(CAPTIONS[:1], tmp_path / "a", settings, device="cpu")


@pytest.mark.parametrize(
    ("caption", "name"),
    [("Rain, on a tin ROOF!", "rain-on-a-tin-roof"), ("Größe", "größe"), ("…", "sound"), ("a " * 9, "a-a-a-a-a-a")],
)
def test_names_of_files(caption, name):
    assert caption_name(caption) == name
