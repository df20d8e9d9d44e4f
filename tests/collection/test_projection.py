import numpy as np
import pytest

from photism import InputError
from photism.collection.map_image import placed_labels, write_map_image
from photism.collection.projection import CollectionMap, project, project_vectors
from photism.collection.search import Hit
from tests.collection.conftest import unit_vectors, write_table


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """Sixty rows of three things."""
    centres, kinds = unit_vectors(3, 24), np.arange(60) % 3
    vectors = centres[kinds] + 0.1 * unit_vectors(60, 24, seed=1)
    captions = [[{"caption": f"Thing {kind}.", "score": 1.0}] for kind in kinds]
    path = tmp_path_factory.mktemp("map") / "sounds.lance"
    return write_table(path, vectors, captions=captions, known=[True] * 60), kinds


def test_neighbours_stay_neighbours(clustered):
    table, kinds = clustered

    found = project(table)

    assert found.points.shape == (60, 2)
    assert found.points.min() >= 0
    assert found.points.max() <= 1
    assert found.names == tuple(f"Thing {kind}." for kind in kinds)
    distances = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(kinds[distances.argmin(axis=1)] == kinds) == 1
    assert found.about == "60 recordings; t-SNE of 24 principal components, perplexity 19.7"


def test_a_sample_of_a_large_collection_is_shown_and_said_to_be(clustered):
    found = project(clustered[0], max_points=20, where="duration_s >= 10")

    assert len(found.hits) == len({hit.location for hit in found.hits}) == 20
    assert all(hit.row["duration_s"] >= 10 for hit in found.hits)
    assert found.about.startswith("20 of 50 recordings, drawn at random; ")


def test_a_map_is_the_same_again(clustered):
    np.testing.assert_array_equal(project(clustered[0]).points, project(clustered[0]).points)


@pytest.mark.parametrize(("count", "distinct"), [(1, 1), (2, 2), (3, 3), (9, 9), (10, 10), (12, 1), (12, 2), (40, 11)])
def test_few_or_equal_rows(count, distinct):
    numbers = np.arange(count) % distinct

    points, _ = project_vectors(unit_vectors(distinct, 8)[numbers])

    assert points.shape == (count, 2)
    assert np.isfinite(points).all()
    assert len(np.unique(points, axis=0)) == distinct
    np.testing.assert_array_equal(points, points[numbers])


def test_vectors_of_one_dimension():
    points, _ = project_vectors(np.linspace(0, 1, 5, dtype=np.float32)[:, None])

    assert points.shape == (5, 2)


def test_nothing_to_show(clustered):
    with pytest.raises(InputError, match="no recordings to show"):
        project(clustered[0], where="duration_s > 1000")


def test_labels_do_not_cover_each_other_and_stay_within_the_map():
    names = ("A very long name of a thing", "Another long name", "Far away")
    points = np.array([[0.5, 0.5], [0.52, 0.505], [0.99, 0.1]])
    hits = tuple(Hit(f"/{index}", 0.0, None, 0.0, {}) for index in range(3))

    labels = placed_labels(CollectionMap(hits, points, names, "", 3))

    assert [name for name, *_ in labels] == ["A very long name of a thing", "Far away"]
    assert labels[1][1] < 0.99


def test_the_image_is_written(clustered, tmp_path):
    from PIL import Image

    write_map_image(project(clustered[0]), tmp_path / "map.png", title="$sounds$.lance")

    with Image.open(tmp_path / "map.png") as image:
        assert image.size == (1440, 1080)
        assert len(image.convert("RGB").resize((144, 108)).getcolors(144 * 108)) > 20
