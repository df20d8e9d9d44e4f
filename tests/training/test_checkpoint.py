import json

import pytest
import torch
from safetensors.torch import load_file

from photism.errors import InputError
from photism.training.checkpoint import (
    Best,
    keep_last,
    last_checkpoint,
    read_best,
    read_checkpoint,
    write_best,
    write_checkpoint,
)
from photism.training.logging import append_log, truncate_log


def test_checkpoints_are_complete_or_absent(tmp_path):
    folder = tmp_path / "checkpoints"
    for step in (1, 2, 3):
        write_checkpoint(folder / f"step-{step:08}", {"weights": {"w": torch.tensor([step])}}, {"step": step})
    (folder / "step-00000004.part").mkdir()
    assert last_checkpoint(folder) == folder / "step-00000003"
    tensors, state = read_checkpoint(folder / "step-00000003")
    assert (tensors["weights"]["w"].tolist(), state) == ([3], {"step": 3})
    keep_last(folder, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000002", "step-00000003"]
    write_checkpoint(folder / "step-00000003", {"weights": {"w": torch.tensor([9])}}, {"step": 3})
    assert read_checkpoint(folder / "step-00000003")[0]["weights"]["w"].tolist() == [9]
    (folder / "step-00000003" / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"step-00000003 is damaged: .*; delete it"):
        read_checkpoint(folder / "step-00000003")


def test_the_best_weights_are_replaced(tmp_path):
    path = tmp_path / "best.safetensors"
    assert read_best(path) is None
    for step in (3, 5):
        write_best(path, {"w": torch.tensor([step])}, step=step, metrics={"audio to text: R@5": step / 10})
        assert read_best(path) == Best(step, {"audio to text: R@5": step / 10})
        assert load_file(path)["w"].tolist() == [step]
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(b"cut")
    with pytest.raises(InputError, match=r"best.safetensors is damaged: .*; delete it"):
        read_best(path)


def test_a_log_is_truncated_where_a_training_resumes(tmp_path):
    path = tmp_path / "log.jsonl"
    for step in (1, 2, 3):
        append_log(path, step, {"loss": step / 2})
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    truncate_log(path, 2)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 1.0},
    ]


def test_a_log_is_emptied_where_a_training_starts_over(tmp_path):
    path = tmp_path / "measures.jsonl"
    append_log(path, 0, {"CER": 1.0})  # which the evaluation of the initial weights appends again
    truncate_log(path, 0)
    assert path.read_text() == ""
