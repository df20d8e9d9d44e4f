import json

import numpy as np
import pytest


def write_table(path, vectors, *, metadata=None, **columns):
    """Write a table of the columns that an index has to a Lance dataset, and return it."""
    import lance
    import pyarrow as pa

    vectors = np.asarray(vectors, np.float32)
    count, width = vectors.shape
    columns = {
        "id": [f"{index:08x}" for index in range(count)],
        "location": [f"/sounds/{index}.wav" for index in range(count)],
        "start_s": [0.0] * count,
        "end_s": pa.array([None] * count, pa.float64()),
        "duration_s": [float(index) for index in range(count)],
        **columns,
    }
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width)
    table = pa.table(columns).replace_schema_metadata({"photism": json.dumps(metadata or {})})
    return lance.write_dataset(table, str(path), mode="overwrite")


def unit_vectors(count, width, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def random_table(tmp_path_factory):
    """A table of 3,000 random vectors, every third of which is a copy of its predecessor, and the vectors."""
    vectors = unit_vectors(3000, 32)
    vectors[2::3] = vectors[1::3]
    return write_table(tmp_path_factory.mktemp("table") / "sounds.lance", vectors), vectors
