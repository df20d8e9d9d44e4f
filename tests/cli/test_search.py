"""photism search: what it prints and writes, and what is an error before a model is loaded."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from photism.audio.writing import write_waveform
from photism.cli.app import app
from photism.collection.index import Index
from photism.collection.index_job import IndexJob

pytest.importorskip("lance")


def run(*arguments):
    return CliRunner().invoke(app, ["search", *map(str, arguments)])


def noise(path, seed, duration_s=1.0):
    samples = np.random.default_rng(seed).standard_normal(round(16_000 * duration_s)) * 0.1
    write_waveform(samples.astype(np.float32), path, sampling_rate=16_000, title="", about={})
    return path


@pytest.fixture(scope="module")
def collection(models, tmp_path_factory):
    """A folder of four recordings, two of which are the same, and its index."""
    folder = tmp_path_factory.mktemp("collection")
    (folder / "sounds").mkdir()
    for number, name in enumerate(("koala", "rain", "wind")):
        noise(folder / "sounds" / f"{name}.wav", number, 1 + number / 2)
    (folder / "sounds" / "copy.wav").write_bytes((folder / "sounds" / "rain.wav").read_bytes())
    arguments = ["index", str(folder / "sounds"), "-o", str(folder / "sounds.lance"), "--model", str(models / "sd")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def index(collection):
    return collection / "sounds.lance"


def names(result):
    return [json.loads(line)["file"].rsplit("/", 1)[1] for line in result.stdout.splitlines()]


def test_a_recording_finds_itself_and_its_copy_first(index, collection):
    result = run(index, "--sound", collection / "sounds" / "rain.wav", "--json")

    assert result.exit_code == 0, result.output
    assert names(result)[:2] == ["copy.wav", "rain.wav"]
    first = json.loads(result.stdout.splitlines()[0])
    assert first["score"] == pytest.approx(1, abs=1e-5)
    assert (first["start_s"], first["end_s"]) == (0, None)
    assert "vector" not in first


def test_texts_and_conditions(index):
    result = run(index, "an owl", "--where", "duration_s < 1.6", "--top-k", 2, "--format", "csv")

    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 2
    assert all("wind" not in row["file"] for row in rows)


def test_what_is_excluded_moves_down(index, collection):
    rain = collection / "sounds" / "rain.wav"
    result = run(index, "an owl", "--not-sound", rain, "--not-weight", 10, "--json")

    assert set(names(result)[-2:]) == {"copy.wav", "rain.wav"}


def test_nothing_satisfies_the_condition(index):
    result = run(index, "an owl", "--where", "duration_s < 0")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "photism: no recording of the index satisfies --where\n"


def test_an_index_without_rows(index, tmp_path):
    shutil.copytree(index, tmp_path / "i.lance")
    Index.open(tmp_path / "i.lance").table.delete("true")
    result = run(tmp_path / "i.lance", "an owl")

    assert (result.exit_code, result.stderr) == (0, "photism: the index has no rows\n")


def test_pages_playlists_and_copies_are_written(index, tmp_path):
    files = ["--html", tmp_path / "found.html", "--play", tmp_path / "found.m3u8", "--copy-to", tmp_path / "copies"]
    result = run(index, "an owl", "--not", "a dog", *files, "--embed-audio")

    assert result.exit_code == 0, result.output
    assert "<h1>an owl, not a dog</h1>" in (tmp_path / "found.html").read_text()
    assert (tmp_path / "found.m3u8").read_text().count("#EXTINF") == 4
    assert [path.name[:4] for path in sorted((tmp_path / "copies").iterdir())] == ["001-", "002-", "003-", "004-"]

    again = run(index, "an owl", *files[:2])
    assert "exists; give another name with --html, or --force" in str(again.exception)


def test_a_recording_that_is_gone_is_reported(models, tmp_path):
    (tmp_path / "sounds").mkdir()
    sound = noise(tmp_path / "sounds" / "rain.wav", 0)
    arguments = ["index", str(tmp_path / "sounds"), "-o", str(tmp_path / "i.lance"), "--model", str(models / "sd")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    sound.unlink()

    result = run(tmp_path / "i.lance", "an owl", "--copy-to", tmp_path / "copies", "--html", tmp_path / "found.html")

    assert result.exit_code == 2
    assert result.stdout.endswith("  (the file is missing)\n")
    assert result.stderr.splitlines() == [
        f"photism: skipped {sound}: no such file",
        f"photism: skipped {sound}: The file is missing.",
    ]


def test_duplicates(index):
    result = run(index, "--duplicates", "--json")

    assert result.exit_code == 0, result.output
    (group,) = map(json.loads, result.stdout.splitlines())
    assert group["keep"]["file"].endswith("copy.wav")
    assert [(each["file"].rsplit("/", 1)[1], each["identical"]) for each in group["duplicates"]] == [("rain.wav", True)]
    assert "identical  " in run(index, "--duplicates").stdout


def test_maps(index, tmp_path):
    result = run(index, "--map", tmp_path / "map.png", "--map", tmp_path / "map.html")

    assert result.exit_code == 0, result.output
    assert result.stderr == "photism: map of 4 recordings; the first two principal components\n"
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "<canvas" in (tmp_path / "map.html").read_text()


def test_from_python(index, collection):
    opened = Index.open(index)
    rain = collection / "sounds" / "rain.wav"

    first, *_ = opened.search(sound=rain, where="location LIKE '%rain%'", top_k=1)
    vector = opened.dataset.to_table(filter="location LIKE '%rain%'").column("vector")[0].as_py()

    assert first.location == str(rain)
    assert opened.search(vector=np.array(vector), top_k=2)[0].score == pytest.approx(1, abs=1e-6)
    assert len(opened.search("an owl", not_="a dog", sound=[rain])) == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "give either what to search for (a text or --sound), or --duplicates, or --map"),
        (["an owl", "--duplicates"], "give either what to search for (a text or --sound), or --duplicates, or --map"),
        (["--not", "a dog"], "nothing is searched for; give a text or --sound"),
        ([" "], "a text to search for is blank; write what the recordings are of"),
        (["--duplicates", "--html", "x.html"], "--html, --playlist and --copy-to write the results of a search"),
        (["--map", "map.gif"], "--map must be a file that ends in .png or .html; got map.gif"),
        (["an owl", "--html", "x.txt"], "--html must be a file that ends in .html or .htm; got x.txt"),
        (
            ["an owl", "--where", "duraton_s < 5"],
            "No field named duraton_s. Did you mean 'duration_s'? The columns are",
        ),
        (["--sound", "none.wav"], "none.wav: no such file"),
        (["an owl", "--similarity", ".8"], "--similarity needs --duplicates"),
        (["an owl", "--by-vectors"], "--by-vectors needs --duplicates"),
        (["--duplicates", "--top-k", "3"], "--top-k needs a text or --sound to search for"),
        (["--map", "map.png", "--all-windows"], "--all-windows needs a text or --sound to search for"),
        (["--map", "map.png", "--json"], "--json needs results to print, which --map does not have"),
        (["an owl", "--not-weight", "2"], "--not-weight needs --not or --not-sound"),
        (["--sound", "x.wav", "--literal"], "--literal needs a text"),
        (["an owl", "--channel", "left"], "--channel needs --sound or --not-sound"),
        (["an owl", "--top-k", "0"], "--top-k must be at least 1"),
    ],
)
def test_a_mistake_is_one_line_before_a_model_is_loaded(index, monkeypatch, given, message):
    monkeypatch.setattr(IndexJob, "load", lambda _: pytest.fail("loaded a model"))
    result = run(index, *given)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_there_is_no_index(tmp_path):
    none = tmp_path / "none.lance"
    expected = f"{none}: no such index; make one with `photism index SOUNDS -o {none}`"
    assert str(run(none, "an owl").exception) == expected


def test_another_model_is_refused_by_its_fingerprint(index, models):
    result = run(index, "an owl", "--model", models / "xl")

    assert f"sounds.lance was computed with {models / 'sd'} (fingerprint " in str(result.exception)
    assert f"not with {models / 'xl'} (fingerprint " in str(result.exception)


def test_texts_need_vectors_of_prompts(models, collection, tmp_path):
    path = tmp_path / "means.lance"
    arguments = ["index", str(collection / "sounds"), "-o", str(path), "--model", str(models / "sd"), "--kind", "mean"]
    assert CliRunner().invoke(app, arguments).exit_code == 0

    result = run(path, "an owl")

    assert "means.lance has mean vectors, which cannot be compared with texts; search it by --sound" in str(
        result.exception
    )
    assert names(run(path, "--sound", collection / "sounds" / "wind.wav", "--json"))[0] == "wind.wav"
