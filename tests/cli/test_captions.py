"""photism captions: all captions of a model, those with some words, and their translations."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from photism.cli.app import app, main
from photism.prompts.caption_catalogue import read_catalogue


@pytest.fixture
def model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "captions.json").write_text('["An owl.", "A snowy owl.", "A piano."]')
    (tmp_path / "caption_translations.json").write_text(
        '{"fr": ["Un hibou.", null, "Un piano."], "de": ["Eule", null, null]}'
    )
    (tmp_path / "caption_catalogue.json").write_text('{"languages": ["en", "fr"]}')
    return tmp_path


def captions(*arguments):
    result = CliRunner().invoke(app, ["captions", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_every_caption_of_the_bundled_model_is_a_line():
    printed, reported = captions()
    assert printed.splitlines() == list(read_catalogue(None).captions)
    assert reported == ""
    assert captions("--model", "tiny")[0] == printed


def test_words_choose_captions(model):
    assert captions("--model", model, "OW") == ("An owl.\nA snowy owl.\n", "")
    assert captions("--model", model, "owl", "snow") == ("A snowy owl.\n", "")


def test_a_language_prints_and_searches_the_translations(model):
    assert captions("--model", model, "--language", "fr") == (
        "Un hibou.\nUn piano.\n",
        "photism: 2 of 3 captions have a translation\n",
    )
    assert captions("--model", model, "--language", "fr", "hibou") == ("Un hibou.\n", "")
    assert captions("--model", model, "--language", "en", "owl") == ("An owl.\nA snowy owl.\n", "")


def test_of_a_language_that_is_not_recognised_a_line_says_so(model):
    assert captions("--model", model, "--language", "de", "eule") == (
        "Eule\n",
        "photism: de is understood by `photism search` only; recordings are understood in en, fr\n",
    )


def test_json_has_the_fields_of_the_server(model):
    printed = json.loads(captions("--model", model, "--json", "owl")[0])
    assert printed == {
        "model": str(model),
        "captions": ["An owl.", "A snowy owl."],
        "translations": {"fr": ["Un hibou.", None], "de": ["Eule", None]},
        "languages": ["en", "fr"],
    }
    printed = json.loads(captions("--model", model, "--json", "--language", "fr", "hibou")[0])
    assert (printed["captions"], printed["translations"]) == (["An owl."], {"fr": ["Un hibou."]})


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--language", "xx"], "--language must be one of de, en, fr; got xx"),
        (["owl", "piano"], "none of the 3 captions has owl and piano; without words, all are printed"),
        (["hibou"], "none of the 3 captions has hibou; translations of some do: add --language fr"),
        (["--model", "{model}/none"], "model {model}/none: no such file or folder"),
    ],
)
def test_a_mistake_is_one_line(model, arguments, line, monkeypatch, capsys):
    words = ["captions", "--model", str(model), *(each.format(model=model) for each in arguments)]
    words = words[:1] + words[3:] if "--model" in arguments else words
    monkeypatch.setattr(sys, "argv", ["photism", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"photism: {line.format(model=model)}\n"


def test_a_model_without_captions(model, monkeypatch, capsys):
    (model / "captions.json").unlink()
    (model / "caption_translations.json").unlink()
    monkeypatch.setattr(sys, "argv", ["photism", "captions", "--model", str(model)])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == f"photism: model {model} has no list of captions\n"


def test_no_heavy_library_is_imported():
    heavy = {"diffusers", "huggingface_hub", "numpy", "torch", "transformers"}
    code = "import sys; from photism.cli.app import app; app(standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code, "captions"], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(shown.stdout.splitlines()[-1].split())
