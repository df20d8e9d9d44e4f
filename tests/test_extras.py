"""Extras: what each installs, the command that installs it, and that a missing one is named at once."""

import json
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from photism import extras
from photism.errors import InputError

HIDE = """
import json, sys
for name in json.loads(sys.argv[1]):
    sys.modules[name] = None  # what `import` and find_spec meet when it is not installed
from photism.cli.app import main
for line in json.loads(sys.argv[2]):
    sys.argv = ["photism", *line]
    try:
        main()
    except SystemExit as end:
        print("status", end.code, file=sys.stderr)
print(json.dumps([name for name in ("torch", "transformers", "diffusers") if name in sys.modules]))
"""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the package be installed with these requirements, and not be used from a clone."""
    required: list[str] = []
    monkeypatch.setattr("photism.extras._is_clone", lambda: False)
    monkeypatch.setattr("importlib.metadata.requires", lambda name: required)
    extras.extras.cache_clear()
    yield required
    extras.extras.cache_clear()


def test_the_extras_of_a_clone_are_those_of_its_pyproject():
    found = extras.extras()
    assert set(found) >= {"", "server", "diffusion", "live", "listening", "export", "collection", "cluster", "train"}
    assert found["diffusion"] == ("accelerate", "compel", "peft")
    assert found["cluster"] == ("ray",)
    assert not found.keys() & {"dev", "docs", "all", "tiny"}


def test_the_extras_of_an_installed_package_are_those_of_its_metadata(metadata):
    metadata += [
        "torch>=2.11",
        "ray[data]>=2.60; extra == 'cluster'",
        'pylance>=14; extra == "collection"',
        "x; extra == 'dev'",
    ]
    assert extras.extras() == {"": ("torch",), "cluster": ("ray",), "collection": ("pylance",)}
    assert extras.install_command("cluster") == "pip install 'photism[cluster]'"
    assert extras.install_command() == "pip install photism"
    assert extras.reinstall_command() == "pip install --force-reinstall --no-deps photism-tiny"


def test_without_metadata_there_are_no_extras(metadata, monkeypatch):
    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", requires)
    assert extras.extras() == {"": ()}


@pytest.mark.parametrize("name", ["clone", "a clone's"])
def test_in_a_clone_the_command_installs_from_it(name, tmp_path, monkeypatch):
    clone = tmp_path / name
    monkeypatch.setattr("photism.extras.CLONE", clone)
    monkeypatch.setattr("photism.extras._is_clone", lambda: True)
    assert shlex.split(extras.install_command("server")) == ["pip", "install", "-e", f"{clone}[server]"]
    assert shlex.split(extras.install_command()) == ["pip", "install", "-e", str(clone)]
    tiny = str(clone / "packages" / "photism-tiny")
    assert shlex.split(extras.install_command("tiny")) == ["pip", "install", tiny]
    assert shlex.split(extras.reinstall_command()) == ["pip", "install", "--force-reinstall", "--no-deps", tiny]


def test_pip_and_import_have_different_names():
    for name, module in (("scikit-learn", "sklearn"), ("pylance", "lance"), ("python-multipart", "python_multipart")):
        assert extras.module_of(name) == module
        assert extras.distribution(module) == name


def test_a_library_is_required_by_its_name_for_pip(monkeypatch):
    extras.require("json", "a test", "server")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match="a map needs scikit-learn, which is not installed: pip install -e "):
        extras.require("sklearn", "a map", "collection")


def test_a_missing_extra_is_named_before_heavy_libraries_are_imported(tmp_path, sounds):
    sound, out = str(sounds[0]), str(tmp_path / "new")
    table = tmp_path / "data.parquet"
    table.write_bytes(b"PAR1")
    cases = [
        ("server", "serve needs cryptography", ["serve"]),
        ("live", "the window needs pygame-ce", ["live", sound]),
        ("train", "training needs accelerate", ["align", str(tmp_path), "-o", out]),
        ("train", "training needs accelerate", ["finetune", "ctc", str(tmp_path), "-o", out]),
        ("collection", "an index needs pylance", ["index", sound, "-o", out + ".lance"]),
        ("collection", "an index needs pylance", ["search", out + ".lance", "a cat"]),
        ("collection", "a Lance data set needs pylance", ["embed", sound, "-o", out + ".lance"]),
        ("collection", "a file of Parquet or Lance needs pyarrow", ["hear", sound, "-o", out + ".parquet"]),
        ("collection", "data.parquet: reading Parquet needs pyarrow", ["hear", str(table)]),
        ("collection", "reading WebDataset shards needs webdataset", ["hear", str(tmp_path / "data-{0..1}.tar")]),
        ("collection", "s3://bucket/a.ogg: object storage needs fsspec", ["hear", "s3://bucket/a.ogg"]),
        ("export", "an export to ONNX needs onnx", ["export", "tiny/language", "-o", out + ".onnx"]),
        ("cluster", "--ray needs ray", ["hear", sound, "--ray"]),
        ("listening", "a plot needs matplotlib", ["label", sound, "--model", out, "--plot", out + ".png"]),
        ("diffusion", "lora needs peft", ["draw", sound, "--lora", out]),
        ("diffusion", "offload needs accelerate", ["film", sound, "--offload", "model"]),
        ("diffusion", "text with weights needs compel", ["draw", sound, "--text", "a (red)1.5 cat"]),
    ]
    hidden = [extras.module_of(name) for names in list(extras.extras().values())[1:] for name in names]
    command = [sys.executable, "-c", HIDE, json.dumps(hidden), json.dumps([line for _, _, line in cases])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = done.stderr.split("status 2\n")
    assert len(printed) == len(cases) + 1, done.stderr
    for (extra, words, _), lines in zip(cases, printed, strict=False):
        assert f"{words}, which is not installed: {extras.install_command(extra)}" in lines
    assert json.loads(done.stdout.splitlines()[-1]) == []
