"""The bundled model: a distribution of its own, found through its entry point."""

import shlex
import subprocess
import sys

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from photism.cli.app import main
from photism.errors import InputError
from photism.extras import install_command
from photism.hub import bundled_model, fetch_files, find_file, is_path, list_top_files, resolve_bundled

MISSING = f"the bundled model is not installed: {install_command('tiny')}, or name another model"


@pytest.mark.parametrize(
    ("model", "part"), [("tiny", ""), ("tiny/", ""), ("tiny/language", "language"), ("tiny/sound", "sound")]
)
def test_the_bundled_model_and_its_parts_have_names(model, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_bundled(model) == bundled_model() / part
    assert resolve_bundled("tiny/other") == "tiny/other"
    assert resolve_bundled("tinys") == "tinys"
    (tmp_path / model).mkdir(parents=True)
    assert resolve_bundled(model) == model


@pytest.fixture
def no_bundled_model(monkeypatch):
    monkeypatch.setattr("photism.hub.entry_points", lambda **_: ())


def status_of(monkeypatch, *arguments) -> object:
    monkeypatch.setattr(sys, "argv", ["photism", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_the_bundled_model_has_weights_captions_and_examples():
    folder = bundled_model()
    assert {"config.json", "model.safetensors", "captions.json"} <= {path.name for path in folder.iterdir()}
    assert len(list(folder.glob("examples/*.ogg"))) == 6


def test_finding_the_bundled_model_loads_no_heavy_library():
    code = "import sys; from photism.hub import bundled_model; bundled_model(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"huggingface_hub", "numpy", "torch", "transformers"}.isdisjoint(loaded)


@pytest.mark.usefixtures("no_bundled_model")
def test_a_missing_bundled_model_raises_an_input_error():
    with pytest.raises(InputError) as error:
        bundled_model()
    assert str(error.value) == MISSING


@pytest.mark.usefixtures("no_bundled_model")
@pytest.mark.parametrize("verb", ["draw", "hear", "label", "film"])
def test_without_a_bundled_model_a_verb_says_what_to_install(verb, sounds, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert status_of(monkeypatch, verb, sounds[0]) == 2
    assert capsys.readouterr().err == f"photism: {MISSING}\n"


@pytest.mark.usefixtures("no_bundled_model")
@pytest.mark.parametrize(
    "arguments", ["sound 'a rooster'", "serve --port 27860", "finetune ctc {data} -o out --encoder tiny --cpu"]
)
def test_without_a_bundled_model_the_other_verbs_say_it_too(arguments, captioned, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))
    assert status_of(monkeypatch, *shlex.split(arguments.format(data=captioned))) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"photism: {MISSING}"


@pytest.mark.usefixtures("no_bundled_model")
def test_doctor_names_the_distribution_to_install(monkeypatch, capsys):
    assert status_of(monkeypatch, "doctor") == 1
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for row in ("no bundled model photism-tiny is not installed", "no draw needs bundled model"):
        assert printed[printed.index(row) + 1] == install_command("tiny")
    assert "ok align ready" in printed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("owner/name", False),
        ("name", False),
        ("owner/v1.5", False),
        ("./name", True),
        ("../name", True),
        ("~/name", True),
        ("/name", True),
        ("owner/name/", True),
        ("owner/name/file", True),
        ("models\\name", True),
        ("C:/name", True),
        ("model.safetensors", True),
        ("models/model.ckpt", True),
    ],
)
def test_what_can_only_be_a_path(source, expected):
    assert is_path(source) == expected


def test_without_a_network_the_cached_files_of_a_repository_are_listed(tmp_path, monkeypatch):
    def unreachable(hub_id):
        raise ConnectionError("no network")

    def cached(hub_id, *, allow_patterns, revision, token):
        assert (hub_id, allow_patterns) == ("some/lora", [])
        return str(tmp_path)

    (tmp_path / "a.safetensors").touch()
    monkeypatch.setattr("huggingface_hub.list_repo_files", unreachable)
    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    assert list_top_files("lora", "some/lora") == ["a.safetensors"]


@pytest.mark.parametrize("is_cached", [True, False])
def test_a_commit_is_taken_from_the_cache_where_the_hub_must_not_be_asked(tmp_path, monkeypatch, is_cached):
    """As huggingface_hub 1 does it, with any version."""

    def download(hub_id, *, local_files_only=False, **_):
        if not local_files_only:
            raise OfflineModeIsEnabled("Cannot reach https://huggingface.co: offline mode is enabled.")
        if not is_cached:
            raise LocalEntryNotFoundError("Cannot find an appropriate cached snapshot folder")
        return str(tmp_path)

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    if is_cached:
        assert fetch_files("model", "some/model", ["*.json"], revision="0" * 40) == tmp_path
    else:
        with pytest.raises(InputError, match="HF_HUB_OFFLINE is set, and the cache does not have it"):
            fetch_files("model", "some/model", ["*.json"], revision="0" * 40)


def test_a_file_in_a_hub_repository(tmp_path, monkeypatch):
    asked = []

    def download(hub_id, path):
        asked.append((hub_id, path))
        if path == "b.safetensors":
            raise OSError("404: no such entry\nmore")
        return str(tmp_path / path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert find_file("vae", "some/models/x/a.safetensors") == tmp_path / "x/a.safetensors"
    assert asked == [("some/models", "x/a.safetensors")]
    assert find_file("vae", "some/models") is None
    with pytest.raises(InputError, match=r"^vae some/models: 404: no such entry$"):
        find_file("vae", "some/models/b.safetensors")
    (tmp_path / "some").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^vae some/models/b\.safetensors: no such file or folder$"):
        find_file("vae", "some/models/b.safetensors")
