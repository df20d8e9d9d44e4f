"""A training corpus generated from captions: its files, resuming it, and that `align` reads it."""

import json
import os
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import pytest

from photism import InputError
from photism.audio.waveform import load_waveform
from photism.audio.writing import read_tags
from photism.audioldm2.dataset import caption_name, generate_dataset
from photism.audioldm2.pipeline import AudioLDM2Pipeline
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.training.data.captions import captions_of_row
from photism.training.data.readers import read_examples
from tests.support.parameters import mostly_slow

CAPTIONS = ["Rain.", "A dog, barking!", "Rain."]
QUICK = {"audio_length_in_s": 0.2, "num_inference_steps": 1}


@pytest.fixture
def generate(sound_models):
    """Generate a corpus with the tiny checkpoint."""

    def generate(captions, folder, *, settings=QUICK, **arguments):
        pipeline_settings = SoundPipelineSettings(model=str(sound_models / "sound"), device="cpu")
        return generate_dataset(captions, folder, pipeline_settings, SoundSettings(**settings), **arguments)

    return generate


def read_files(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "sounds").iterdir())}


def read_rows(metadata):
    return [json.loads(line) for line in metadata.read_text().splitlines()]


def test_align_reads_the_corpus(generate, tmp_path):
    progress = []
    folder = tmp_path / "a"
    metadata = generate(
        CAPTIONS, folder, settings={**QUICK, "seed": 3}, callback_on_recording=lambda *at: progress.append(at)
    )
    assert progress == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert metadata == folder / "metadata.jsonl"
    texts = partial(captions_of_row, text_columns=None, label_template="{labels}")
    examples = list(read_examples(str(folder), texts))
    assert [example.texts for example in examples] == [(caption,) for caption in CAPTIONS]
    assert [load_waveform(example.sound).duration_s for example in examples] == [0.2] * 3
    names = ["000001-rain.flac", "000002-a-dog-barking.flac", "000003-rain.flac"]
    assert list(read_files(folder)) == names
    assert [row["seed"] for row in read_rows(metadata)] == [3, 3, 4]  # "Rain." a second time


def test_a_recording_is_what_the_pipeline_generates_with_its_seed(generate, sound_models, tmp_path):
    rows = read_rows(generate(CAPTIONS, tmp_path / "a", settings={**QUICK, "seed": 3}))
    pipeline = AudioLDM2Pipeline.from_pretrained(sound_models / "sound", device="cpu")
    for row in rows:
        expected = pipeline(row["text"], **QUICK, seed=row["seed"]).audios[0]
        assert abs(load_waveform(tmp_path / "a" / row["file_name"]).samples - expected).max() < 1 / 32_768
    together = pipeline(CAPTIONS, **QUICK, seed=[row["seed"] for row in rows])
    assert together.seeds == [3, 3, 4]
    assert abs(together.audios[2] - expected).max() < 1e-4


def test_a_recording_holds_the_settings_that_were_used(generate, tmp_path, sound_models):
    generate(CAPTIONS[:2], tmp_path / "a", settings={"audio_length_in_s": 0.2, "num_inference_steps": 1, "seed": 3})
    assert read_tags(tmp_path / "a/sounds/000002-a-dog-barking.flac") == {
        "text": CAPTIONS[1],
        "model": str(sound_models / "sound"),
        "seed": 3,
        "candidates": 1,
        "audio_length_in_s": 0.2,
        "num_inference_steps": 1,
        "guidance_scale": 3.5,
        "eta": 0.0,
        "max_new_tokens": 8,
        "loop": False,
    }


@pytest.mark.parametrize("batch_size", mostly_slow([1, 2], 2))
def test_an_interrupted_run_is_completed_to_the_same_files(generate, tmp_path, batch_size):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    settings = {**QUICK, "batch_size": batch_size}
    generate(CAPTIONS, whole, settings=settings)

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(CAPTIONS, resumed, settings=settings, callback_on_recording=stop)
    assert len(read_files(resumed)) == len(read_rows(resumed / "metadata.jsonl")) == batch_size
    (resumed / "sounds/000001-rain.flac").unlink()  # its batch is generated again, and only this file is written
    progress = []
    generate(CAPTIONS, resumed, settings=settings, callback_on_recording=lambda *at: progress.append(at))
    assert progress[0] == (batch_size - 1, 3)
    assert read_files(resumed) == read_files(whole)
    assert (resumed / "metadata.jsonl").read_text() == (whole / "metadata.jsonl").read_text()


@pytest.mark.slow
def test_the_best_candidate_is_kept(generate, sound_models, tmp_path):
    (row,) = read_rows(generate(["Rain."], tmp_path / "a", settings={**QUICK, "num_waveforms_per_prompt": 2}))
    output = AudioLDM2Pipeline.from_pretrained(sound_models / "sound", device="cpu")(
        "Rain.", **QUICK, num_waveforms_per_prompt=2, seed=0
    )
    assert row["score"] == pytest.approx(output.scores[0][0], abs=1e-5)
    assert abs(load_waveform(tmp_path / "a" / row["file_name"]).samples - output.audios[0]).max() < 3 / 32_767


@pytest.mark.slow
def test_another_number_of_processes_completes_the_same_files(generate, tmp_path):
    generate(CAPTIONS, tmp_path / "a")
    before = read_files(tmp_path / "a")
    for name in list(before)[1:]:
        (tmp_path / "a/sounds" / name).unlink()
    generate(CAPTIONS, tmp_path / "a", processes=2)
    assert read_files(tmp_path / "a") == before


def test_a_killed_process_is_reported_as_a_lack_of_memory(generate, tmp_path):
    with pytest.raises(BrokenProcessPool, match="one of 2 worker processes was killed, probably by the out-of-memory"):
        generate(CAPTIONS, tmp_path, processes=2, before_loading=partial(os._exit, 9))


def test_a_folder_with_other_files_or_settings_is_refused(generate, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and was not created by an unfinished run; choose another"):
        generate(CAPTIONS, tmp_path)
    generate(CAPTIONS[:1], tmp_path / "a")
    with pytest.raises(InputError, match=r"holds a corpus with other settings \(seed, making\): to continue it, use"):
        generate(CAPTIONS, tmp_path / "a", settings={"seed": 4})


@pytest.mark.slow
def test_what_a_run_leaves_that_was_killed_at_once_is_continued(generate, tmp_path):
    (tmp_path / "a" / "sounds").mkdir(parents=True)
    (tmp_path / "a" / ".sound.json.00000000-1.part").touch()
    assert len(read_rows(generate(CAPTIONS[:1], tmp_path / "a"))) == 1
    (tmp_path / "mine" / "sounds").mkdir(parents=True)
    (tmp_path / "mine" / "sounds" / "a.wav").touch()
    with pytest.raises(InputError, match="is not empty and was not created by an unfinished run; choose another"):
        generate(CAPTIONS, tmp_path / "mine")


def test_invalid_arguments_are_refused(generate, tmp_path):
    with pytest.raises(InputError, match="captions must hold at least one caption"):
        generate([], tmp_path / "a")
    with pytest.raises(InputError, match=r"suffix must be one of .wav, .flac, .ogg, .mp3; got .aac"):
        generate(CAPTIONS, tmp_path / "a", suffix=".aac")
    with pytest.raises(InputError, match="seed must be one number for a corpus"):
        generate(CAPTIONS, tmp_path / "a", settings={"seed": [4]})
    assert not (tmp_path / "a").exists()


def test_a_recording_is_generated_again_when_its_caption_changes(generate, tmp_path):
    """Also when the words of its file name do not change."""
    captions = ["A dog barks in the small yard.", "Rain."]
    generate(captions, tmp_path / "a")
    before = read_files(tmp_path / "a")
    captions[0] = "A dog barks in the small hours."
    rows = read_rows(generate(captions, tmp_path / "a"))
    after = read_files(tmp_path / "a")
    assert [before[name] == after[name] for name in before] == [False, True]
    for caption, row in zip(captions, rows, strict=True):
        assert row["text"] == read_tags(tmp_path / "a" / row["file_name"])["text"] == caption


@pytest.mark.slow
def test_an_interrupted_run_lists_no_recording_of_another_caption(generate, tmp_path):
    generate(["Rain.", "A dog barks in the small yard."], tmp_path / "a")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(["Rain.", "A dog barks in the small hours."], tmp_path / "a", callback_on_recording=stop)
    assert [row["text"] for row in read_rows(tmp_path / "a/metadata.jsonl")] == ["Rain."]


def test_a_run_that_failed_at_once_leaves_no_settings_behind(generate, tmp_path):
    with pytest.raises(InputError, match="num_inference_steps must be at most 1000"):
        generate(CAPTIONS[:1], tmp_path / "a", settings={"num_inference_steps": 5000})
    generate(CAPTIONS[:1], tmp_path / "a")
    content = json.loads((tmp_path / "a/sound.json").read_text())
    assert content["batch_size"] == 1
    assert content["threads"] >= 1
    assert content["making"] == {**QUICK, "loop": False}
    assert content["loading"] == {
        "dtype": "float32",
        "scheduler": "dpm++",
        "compile": False,
        "offload": None,
        "vae_slicing": False,
        "vae_tiling": False,
    }
    (tmp_path / "a/sound.json").write_text("[1]")
    with pytest.raises(InputError, match=r"the corpus .* has an unreadable sound.json: it is not a JSON object"):
        generate(CAPTIONS[:1], tmp_path / "a")


@pytest.mark.parametrize(
    ("caption", "name"),
    [("Rain, on a tin ROOF!", "rain-on-a-tin-roof"), ("Größe", "größe"), ("…", "sound"), ("a " * 9, "a-a-a-a-a-a")],
)
def test_file_names(caption, name):
    assert caption_name(caption) == name
