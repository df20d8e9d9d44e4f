"""Files of embeddings are read as they were written."""

import numpy as np
import pytest

from photism import InputError
from photism.listening.embeddings import load_embeddings, save_embeddings

ROWS = {"a b/c.wav": np.ones(3, np.float32), "Ελληνικά": np.zeros(3, np.float32)}


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_embeddings_can_be_read(tmp_path, suffix):
    path = tmp_path / f"e.{suffix}"
    save_embeddings(ROWS, path)
    loaded = load_embeddings(path)
    assert loaded.keys() == ROWS.keys()
    assert all(np.array_equal(loaded[name], ROWS[name]) for name in ROWS)
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read as embeddings"):
        load_embeddings(path)


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_any_file_name_is_a_name_of_an_embedding(tmp_path, suffix):
    """One is a parameter of NumPy's savez, and one is not UTF-8."""
    path, rows = tmp_path / f"e.{suffix}", {"file": np.ones(3, np.float32), "caf\udce9": np.zeros(3, np.float32)}
    save_embeddings(rows, path)
    assert set(load_embeddings(path)) == {"file", r"caf\udce9"}


def test_another_suffix_is_refused():
    with pytest.raises(InputError, match=r"ends in \.safetensors or \.npz; got e\.csv"):
        save_embeddings(ROWS, "e.csv")


def test_several_vectors_of_a_recording_are_refused(tmp_path):
    np.savez(tmp_path / "e.npz", vectors=np.eye(3, dtype=np.float32), files=np.array(["a", "b", "a"]))
    with pytest.raises(InputError, match="has several vectors of a; embed whole recordings"):
        load_embeddings(tmp_path / "e.npz")
