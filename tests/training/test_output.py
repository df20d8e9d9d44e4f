"""Output folder of a training: what may be written to, and the publication of a result."""

import dataclasses

import pytest
from huggingface_hub.utils import filter_repo_objects

from photism.errors import InputError
from photism.settings import write_settings
from photism.training.checkpoint import BEST
from photism.training.output import check_output, create_repository, push_to_hub
from photism.training.result import published_files
from photism.training.settings import AlignSettings, ClassifySettings


@pytest.fixture(params=[AlignSettings, ClassifySettings])
def settings(request, tmp_path):
    return request.param(data="recordings", output=str(tmp_path / "out"))


@pytest.fixture
def output(settings, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def check(settings, *, resume=False, **changed):
    check_output(dataclasses.replace(settings, **changed), resume=resume)


def contents(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("resume", [False, True])
def test_folders_that_nothing_is_lost_in(settings, output, resume):
    check(settings, resume=resume, output=str(output / "new"))
    (output / ".gitattributes").write_text("")
    check(settings, resume=resume)
    (output / settings.file).write_text("")  # killed before anything was evaluated
    (output / "log.jsonl").write_text("")
    (output / "checkpoints").mkdir()
    check(settings, resume=resume)


def test_other_files_are_not_overwritten(settings, output):
    (output / "README.md").write_text("mine")
    for resume in (False, True):
        with pytest.raises(
            InputError, match=r"is not empty and was not created by this command \(it holds README.md\)"
        ):
            check(settings, resume=resume)
    with pytest.raises(InputError, match=r"README.md is a file; choose a folder"):
        check(settings, output=str(output / "README.md"))


def test_a_training_is_resumed_with_its_settings(settings, output):
    (output / "checkpoints" / "step-00000003").mkdir(parents=True)
    with pytest.raises(InputError, match=f"{settings.file} is missing"):
        check(settings, resume=True)
    write_settings(settings, output / settings.file)
    with pytest.raises(InputError, match="holds an unfinished training; resume it, or choose another folder"):
        check(settings)
    check(settings, resume=True, evaluate_every=7)
    with pytest.raises(InputError, match=rf"must keep the settings of .*{settings.file}; these differ: seed: 0, 4"):
        check(settings, resume=True, seed=4)
    (output / "config.json").write_text("{}")
    check(settings, resume=True)  # the model is written again
    with pytest.raises(InputError, match="holds a finished model; choose another folder"):
        check(settings)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("changed", [{}, {"seed": 4}])
def test_a_finished_model_without_checkpoints_is_not_touched(settings, output, resume, changed):
    write_settings(settings, output / settings.file)
    for name in ("config.json", BEST, "log.jsonl"):
        (output / name).write_text("{}")
    before = contents(output)
    for checkpoints in (False, True):  # an empty folder is not a checkpoint either
        if checkpoints:
            (output / "checkpoints").mkdir()
            before = contents(output)
        message = "no checkpoint to resume from; choose another" if resume else "holds a finished model; choose"
        with pytest.raises(InputError, match=message):
            check(settings, resume=resume, **changed)
        assert contents(output) == before


@pytest.mark.parametrize("resume", [False, True])
def test_best_weights_whose_checkpoints_are_gone_are_not_touched(settings, output, resume):
    write_settings(settings, output / settings.file)
    (output / BEST).write_text("{}")
    with pytest.raises(InputError, match=rf"holds {BEST} of a training whose checkpoints are gone"):
        check(settings, resume=resume)


def test_a_training_killed_before_its_first_checkpoint_resumes_from_the_start(settings, output):
    write_settings(settings, output / settings.file)
    (output / BEST).write_text("{}")
    (output / "checkpoints").mkdir()
    check(settings, resume=True)
    with pytest.raises(InputError, match="these differ: seed: 0, 4"):
        check(settings, resume=True, seed=4)
    with pytest.raises(InputError, match=r"holds an unfinished training; resume it, or choose another folder$"):
        check(settings)


def test_the_hub_is_given_no_checkpoints_and_logs(monkeypatch, settings, output):
    paths = ["config.json", "model.safetensors", settings.file, "checkpoints/step-00000002/state.json", "log.jsonl"]
    paths += ["best.safetensors", "checkpoints/step-00000002/weights.safetensors", "tensorboard/events"]
    given = {}
    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", lambda self, **more: given.update(more))
    push_to_hub(output, "me/model", published_files(settings))
    chosen = {name: given[name] for name in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(paths, **chosen)) == ["config.json", "model.safetensors", settings.file]


def test_the_repository_is_created_before_and_given_the_model_alone(monkeypatch, tmp_path):
    calls = []

    class Api:
        def create_repo(self, hub_id, **more):
            calls.append(("create", hub_id, more))
            if hub_id.startswith("someone"):
                raise OSError("403 Forbidden: you may not\nRequest id")

        def upload_folder(self, **more):
            calls.append(("upload", more))

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    create_repository("me/model")
    push_to_hub(tmp_path, "me/model", ["config.json"])
    assert calls == [
        ("create", "me/model", {"exist_ok": True, "private": True}),
        (
            "upload",
            {
                "repo_id": "me/model",
                "folder_path": tmp_path,
                "allow_patterns": ["config.json"],
                "ignore_patterns": ["*/*"],
            },
        ),
    ]
    with pytest.raises(
        InputError, match=r"push_to_hub must be .* you may write to; someone/model: 403 Forbidden: you may"
    ):
        create_repository("someone/model")
