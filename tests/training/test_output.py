import pytest

from photism.errors import InputError
from photism.training.align.settings import RUNNING, SETTINGS, AlignSettings
from photism.training.output import check_output
from photism.training.settings import write_settings


def check(output, *, resume=False, **changed):
    settings = AlignSettings(**{"data": "sounds", "output": str(output), **changed})
    check_output(settings, file=SETTINGS, running=RUNNING, resume=resume)


def test_a_new_folder_an_empty_one_and_one_that_was_left_before_a_checkpoint(tmp_path):
    check(tmp_path / "new")
    (tmp_path / ".gitattributes").write_text("")
    check(tmp_path)
    (tmp_path / SETTINGS).write_text("")
    (tmp_path / "log.jsonl").write_text("")
    check(tmp_path)


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    for resume in (False, True):
        with pytest.raises(InputError, match=r"output .* holds other files, such as README.md; take a new or"):
            check(tmp_path, resume=resume)
    with pytest.raises(InputError, match=r"output must be a folder; .*README.md is a file"):
        check(tmp_path / "README.md")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a model; take another folder, or delete it"):
        check(tmp_path)


def test_a_training_is_resumed_as_it_was_begun(tmp_path):
    (tmp_path / "checkpoints" / "step-00000003").mkdir(parents=True)
    write_settings(AlignSettings(data="sounds", output=str(tmp_path)), tmp_path / SETTINGS)
    with pytest.raises(InputError, match="holds a training; resume it, or take another folder"):
        check(tmp_path)
    check(tmp_path, resume=True, evaluate_every=7)
    with pytest.raises(InputError, match=r"must have the settings of .*align.yaml; these differ: seed: 0, 4"):
        check(tmp_path, resume=True, seed=4)
