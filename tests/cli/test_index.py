"""photism index: what it says, and what is an error before a model is loaded."""

import pytest
from typer.testing import CliRunner

from photism.cli.app import app
from photism.collection.index import Index
from photism.collection.index_job import IndexJob

pytest.importorskip("lance")


@pytest.fixture
def folder(sounds):
    """Return the folder of three recordings, next to one that is broken."""
    folder = sounds[0].parent / "sounds"
    folder.mkdir()
    for sound in sounds:
        sound.rename(folder / sound.name)
    return folder


@pytest.fixture
def index(models, tmp_path):
    """Return a function that runs the verb."""

    def run(*arguments):
        given = ["index", *map(str, arguments), "-o", str(tmp_path / "i.lance")]
        return CliRunner().invoke(app, [*given, "--model", str(models / "sd")])

    return run


def test_a_folder_is_indexed_and_brought_up_to_date(index, folder, tmp_path):
    path = tmp_path / "i.lance"
    result = index(folder)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"photism: {path}: 3 of 3 recordings were processed; 3 new; 3 rows\n"
    assert result.stdout == ""
    (folder / "rain.wav").unlink()
    (folder / "broken.ogg").write_text("broken")
    result = index(folder)
    assert result.exit_code == 2
    skipped, summary = result.stderr.splitlines()
    assert skipped.startswith(f"photism: skipped {folder}/broken.ogg: not an audio or video file")
    assert summary == (
        f"photism: {path}: 2 of 3 recordings were processed (2 before), 1 error in {tmp_path}/i.lance.errors.jsonl; "
        "run the same command again to retry them; 0 new, 1 removed; 2 rows"
    )
    result = index(folder, "--window", 1)
    assert "i.lance was computed with window_s by default instead of 1" in str(result.exception)
    opened = Index.open(path)
    opened.add(folder)
    assert len(opened) == 2


def test_recordings_that_are_gone_are_reported_if_a_disk_may_be_missing(index, folder, monkeypatch):
    index(folder)
    monkeypatch.setattr("photism.collection.gone.FEW", 1)
    for name in ("rain", "koala"):
        (folder / f"{name}.wav").unlink()
    result = index(folder)
    assert result.exit_code == 0, result.output
    assert "2 recordings of the index are gone; they stay, since a disk may be missing: --prune" in result.stderr
    assert "2 removed; 1 rows" in index(folder, "--prune").stderr


def test_a_vector_index_needs_many_rows(index, folder, monkeypatch):
    result = index(folder, "--vector-index")
    assert "3 new; 3 rows" in result.stderr
    assert result.stderr.endswith(
        "photism: no vector index is built of fewer than 4,096 rows: a search compares them all\n"
    )
    assert result.exit_code == 0


def test_vectors_that_lance_cannot_index_are_an_error_before_they_are_computed(index, folder, monkeypatch):
    monkeypatch.setattr(Index, "add", lambda *_, **__: pytest.fail("computed vectors"))
    monkeypatch.setattr("photism.collection.vector_index.RQ_WIDTH", 1000)
    result = index(folder, "--vector-index")
    assert str(result.exception).startswith("a vector index needs vectors whose width is a multiple of 1000")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["-"], "- is standard input, which cannot be read again from an index; give a file"),
        (["none"], "none: no such file"),
    ],
)
def test_a_mistake_is_one_line_before_a_model_is_loaded(index, monkeypatch, given, message):
    monkeypatch.setattr(IndexJob, "load", lambda _: pytest.fail("loaded a model"))
    result = index(*given)
    assert str(result.exception) == message


def test_a_folder_of_something_else_is_not_overwritten(index, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(IndexJob, "load", lambda _: pytest.fail("loaded a model"))
    (tmp_path / "i.lance").mkdir()
    (tmp_path / "i.lance" / "mine.txt").touch()
    assert "i.lance is not a Lance data set, and is not overwritten" in str(index(folder).exception)


def test_ctrl_c_says_how_to_go_on(index, folder, monkeypatch):
    def stop(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Index, "add", stop)
    result = index(folder)
    assert result.exit_code == 130
    assert "Stopped with 0 rows in" in result.stderr
    assert "Run the same command again to resume." in result.stderr
