"""Locations without the folder of their collection."""

import pytest

from photism.collection.relative_locations import RelativeLocations
from photism.collection.where import check_where
from photism.settings import SettingError
from tests.collection.conftest import unit_vectors, write_table


def table_of(path, locations):
    return write_table(path, unit_vectors(len(locations), 4), location=locations)


@pytest.mark.parametrize(
    ("locations", "names"),
    [
        (["/home/ann/sounds/a.wav"], ["a.wav"]),
        (["/home/ann/sounds/owls/a.wav", "/home/ann/sounds/b.wav"], ["owls/a.wav", "b.wav"]),
        (["/home/ann/ab/a.wav", "/home/ann/ac/a.wav"], ["ab/a.wav", "ac/a.wav"]),
        (["/home/ann/x.tar#a", "/home/ann/x.tar#b"], ["x.tar#a", "x.tar#b"]),
        (["s3://bucket/a/1.wav", "s3://bucket/a/2.wav", "/home/ann/3.wav"], ["1.wav", "2.wav", "3.wav"]),
        (["/1.wav", "/home/2.wav"], ["1.wav", "home/2.wav"]),
        (
            ["/home/ann/owls/a.wav", "/mnt/disk/b.wav", "/mnt/disk/x/c.wav"],
            ["owls/a.wav", "disk/b.wav", "disk/x/c.wav"],
        ),
        (["/home/ann/owls/a.wav", "/mnt/owls/a.wav"], ["owls/a.wav", "owls-2/a.wav"]),
        (["/home/ann/$1's/a.wav", "/mnt/b.wav"], ["_1_s/a.wav", "mnt/b.wav"]),
        (["https://a.org/x/1.wav", "file:///home/ann/%FF.wav"], ["1.wav", "%FF.wav"]),
        (
            ["https://a.org/1.wav", "/home/ann/my%20sounds/%C3/2.wav", "file:///home/ann/my%2520sounds/%FF/3.wav"],
            ["1.wav", "%C3/2.wav", "%FF/3.wav"],
        ),
        (["/home/ann/a.wav", "file:///mnt/disk/x%20y/%FF.wav"], ["ann/a.wav", "x y/%FF.wav"]),
        (["/home/ann/a.wav", "mozilla/voices/12"], ["a.wav", "12"]),
    ],
)
def test_the_common_folder_is_left_out(tmp_path, locations, names):
    dataset = table_of(tmp_path / "t.lance", locations)
    found = RelativeLocations.of(dataset)
    assert [found.shown(each) for each in locations] == names
    for location, name in zip(locations, names, strict=True):
        for given in (f"location = '{name}'", f"`location` = '{name}' AND (duration_s >= 0 OR NOT location IS NULL)"):
            condition = found.condition(given)
            check_where(dataset, condition)
            rows = dataset.to_table(columns=["location"], filter=condition).column(0).to_pylist()
            assert location in rows
            assert {found.shown(row) for row in rows} == {name}


def test_folders_with_signs_of_expressions(tmp_path):
    folder = "/home/ann's [old] (sounds)+more & #1"
    dataset = table_of(tmp_path / "t.lance", [f"{folder}/a.wav", f"{folder}/b.wav"])
    condition = RelativeLocations.of(dataset).condition("location = 'a.wav'")
    assert dataset.to_table(filter=condition).num_rows == 1


def test_an_empty_table_has_no_folder(tmp_path):
    dataset = table_of(tmp_path / "t.lance", ["/home/a.wav"])
    dataset.delete("true")
    found = RelativeLocations.of(dataset)
    assert found.condition("location = 'a'") == "location = 'a'"


@pytest.mark.parametrize("where", ["lower(location) = 'a'", "EXISTS (SELECT 1)", "a -- b\n; c", "f (1) = 1"])
def test_functions_are_refused(where):
    with pytest.raises(SettingError, match=r"^where must compare columns with values"):
        RelativeLocations((("/home/", ""),)).condition(where)


def test_texts_are_no_columns():
    assert RelativeLocations((("/home/", ""),)).condition("name = 'location (1)'") == "name = 'location (1)'"
