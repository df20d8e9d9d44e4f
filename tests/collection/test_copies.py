import sys
import tarfile

import numpy as np
import pytest

from photism import InputError
from photism.audio.original import load_original
from photism.audio.writing import write_waveform
from photism.collection.copies import copy_hits
from photism.collection.search import Hit
from photism.manifest.read import read_manifest

RATE = 44_100


@pytest.fixture(scope="module")
def stereo(tmp_path_factory):
    """Three seconds of noise in two channels, 24 bits."""
    path = tmp_path_factory.mktemp("sounds") / "noise.wav"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 3 * RATE))
    write_waveform(samples, path, sampling_rate=RATE, title="", about={}, sample_type="int24")
    return path


def test_whole_files_are_copied_as_they_are_under_their_rank(stereo, tmp_path):
    written = copy_hits([Hit(str(stereo), 0.0, None, 0.9, {}), Hit(str(stereo), 0.0, None, 0.8, {})], tmp_path / "new")

    assert [path.name for path in written] == ["001-noise.wav", "002-noise.wav"]
    assert all(path.read_bytes() == stereo.read_bytes() for path in written)
    assert stereo.exists()


def test_segments_keep_rate_channels_and_samples(stereo, tmp_path):
    (written,) = copy_hits([Hit(str(stereo), 0.5, 1.25, 0.9, {})], tmp_path)

    cut, whole = load_original(written), load_original(stereo)
    assert written.name == "001-noise-0.5s.wav"
    assert (cut.sampling_rate, cut.sample_type) == (RATE, "int24")
    np.testing.assert_array_equal(cut.samples, whole.samples[:, RATE // 2 : RATE // 2 + round(0.75 * RATE)])


def test_a_recording_in_a_shard_is_written_as_a_file(stereo, tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        shard.add(stereo, "noise.wav")
    (location,) = [entry.absolute_location for entry in read_manifest([str(tmp_path / "shard.tar")])]

    (written,) = copy_hits([Hit(location, 0.0, None, 0.9, {})], tmp_path / "new")

    np.testing.assert_array_equal(load_original(written).samples, load_original(stereo).samples)


def test_existing_files_are_not_overwritten(stereo, tmp_path):
    hits = [Hit(str(stereo), 0.0, None, 0.9, {})]
    (tmp_path / "001-noise.wav").write_bytes(b"mine")

    with pytest.raises(InputError, match="exists"):
        copy_hits(hits, tmp_path)
    assert (tmp_path / "001-noise.wav").read_bytes() == b"mine"

    copy_hits(hits, tmp_path, force=True)
    assert (tmp_path / "001-noise.wav").read_bytes() == stereo.read_bytes()


def test_a_missing_recording_is_reported_and_the_others_are_copied(stereo, tmp_path):
    errors = []
    hits = [Hit(str(tmp_path / "gone.wav"), 0.0, None, 0.9, {}), Hit(str(stereo), 0.0, None, 0.8, {})]

    written = copy_hits(hits, tmp_path / "new", on_error=errors.append)

    assert [path.name for path in written] == ["002-noise.wav"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["002-noise.wav"]
    assert "gone.wav: no such file" in str(errors[0])


def test_a_file_in_object_storage_is_copied_as_it_is(stereo, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    location = "memory://copies/noise.wav"
    fsspec.filesystem("memory").pipe("/copies/noise.wav", stereo.read_bytes())

    (written,) = copy_hits([Hit(location, 0.0, None, 0.9, {})], tmp_path)

    assert written.name == "001-noise.wav"
    assert written.read_bytes() == stereo.read_bytes()


def test_a_file_in_a_shard_with_its_suffix_is_copied_as_it_is(stereo, tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        shard.add(stereo, "noise.one.wav")
        shard.add(stereo, "noise.two.wav")
    locations = [entry.absolute_location for entry in read_manifest([str(tmp_path / "shard.tar")])]

    written = copy_hits([Hit(location, 0.0, None, 0.9, {}) for location in locations], tmp_path / "new")

    assert [path.name for path in written] == ["001-shard.tar#noise.one.wav", "002-shard.tar#noise.two.wav"]
    assert all(path.read_bytes() == stereo.read_bytes() for path in written)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that cannot be read")
@pytest.mark.parametrize("location", ["/", "/proc/self/mem"])
def test_a_recording_that_cannot_be_read_is_reported_and_the_others_are_copied(stereo, tmp_path, location):
    errors = []
    hits = [Hit(location, 0.0, None, 0.9, {}), Hit(str(stereo), 0.0, None, 0.8, {})]

    written = copy_hits(hits, tmp_path / "new", on_error=errors.append)

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["002-noise.wav"] == [path.name for path in written]
    (error,) = errors
    assert str(error).startswith(f"{location}: ")
