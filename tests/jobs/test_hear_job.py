"""The job of `photism hear`: its rows are those that the caption ranker makes."""

import pickle

import pytest

from photism.errors import InputError
from photism.jobs.hear_job import HearJob
from photism.jobs.provenance import Provenance
from photism.jobs.run import run
from photism.listening.settings import HearSettings, RankerModelSettings
from photism.listening.zero_shot import CaptionRanker
from photism.manifest.read import read_manifest
from tests.support.jobs import json_rows


@pytest.fixture
def models_of(models):
    return RankerModelSettings(model=str(models / "sd"), device="cpu")


@pytest.mark.parametrize("window_s", [None, 0.4])
def test_hear_writes_what_the_ranker_finds(models_of, sounds, tmp_path, window_s):
    ranking = HearSettings(top_k=2, window_s=window_s)
    job = pickle.loads(pickle.dumps(HearJob(models_of, ranking, captions=("Rain.", "A bird."))))
    (sounds[0].parent / "empty.wav").touch()
    run(job, read_manifest([*map(str, sounds), str(tmp_path / "empty.wav")]), tmp_path / "rows.jsonl")
    rows = json_rows(tmp_path / "rows.jsonl")
    assert [row["file"] for row in rows] == list(map(str, sounds))
    ranker = CaptionRanker.from_pretrained(models_of.model, device="cpu")
    for row, labels in zip(rows, ranker.stream(sounds, captions=job.captions, **vars(ranking)), strict=True):
        scores = [(each["label"], each["score"]) for each in labels.windows[0].scores]
        if window_s is None:
            assert [(each["caption"], each["score"]) for each in row["heard"]] == scores
        else:
            assert [(each["label"], each["score"]) for each in row["windows"][0]["scores"]] == scores
        assert set(row) <= {"file", "id", *job.columns}
    (error,) = json_rows(tmp_path / "rows.jsonl.errors.jsonl")
    assert error["where"] == "reading"


def test_the_provenance_of_hear_is_the_model_and_what_changes_its_rows(models_of, models):
    def run_of(job):
        return Provenance.of(job, job.load()).run

    job = HearJob(models_of)
    same = [HearJob(models_of, HearSettings(batch_size=3, num_workers=0))]
    other = [
        HearJob(models_of, HearSettings(top_k=4)),
        HearJob(models_of, captions=("Rain.",)),
        HearJob(RankerModelSettings(model=str(models / "xl"), device="cpu")),
    ]
    assert {run_of(each) for each in (job, *same)} == {run_of(job)}
    assert len({run_of(each) for each in (job, *other)}) == 4


def test_a_format_that_hear_does_not_have_is_refused(models_of):
    with pytest.raises(InputError, match="the format must be one of table, json, csv, audacity, jsonl; got rttm"):
        HearJob(models_of).text_format("rttm")
