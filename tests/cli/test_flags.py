"""Verbs whose parameters are settings classes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from photism.cli.flags import add_verb
from photism.errors import InputError
from photism.settings import REQUIRED, SettingError, setting, settings, write_settings


def read_weights(given):
    if "" in given:
        raise ValueError("must not be empty")
    return dict.fromkeys(given, 1.0)


@settings
class Drawing:
    """Settings of a test."""

    sounds: list[str] = setting(REQUIRED, "Recordings.", is_argument=True, metavar="SOUND")
    num_inference_steps: int | None = setting(None, "Denoising steps.", minimum=1, flag="--steps")
    window_s: float = setting(3.0, "Length of a window.", unit="seconds", above=0, flag="--window")
    mode: str = setting("fast", "How to run.", choices=("fast", "slow"))
    lora: Mapping[str, float] = setting((), "LoRA weights.", parse=read_weights, metavar="PATH")
    words: tuple[str, ...] = setting((), "Hot words.", flag="--word")
    overlap: bool = setting(True, "Overlap windows.")
    quick: bool = setting(False, "Be quick.")
    cluster: str | None = setting(None, "Where to run.", alone="here", follows=r"auto|[^/]+:\d+")
    hidden: int = setting(7, "Not on the command line.", is_flag=False)


@settings
class Training:
    """Settings of a test that a file can hold."""

    data: str = setting(REQUIRED, "Folder of the data.", is_argument=True)
    output: str = setting("", "Folder of the result.", short="-o")
    steps: int = setting(10, "Steps.", minimum=1)
    fast: bool = setting(False, "Be fast.")

    def check(self):
        """Refuse many steps where it must be fast."""
        if self.fast and self.steps > 100:
            raise SettingError("steps", "must be at most 100 with fast; got 101")


@pytest.fixture
def run():
    """Run a command line; return what the verb was called with, or else the output."""
    called = []

    def draw(settings: Drawing, force: Annotated[bool, typer.Option("--force", help="Overwrite.")] = False) -> None:
        """Draw recordings.

        Examples:
            photism draw bark.ogg
            photism draw bark.ogg --steps 3
        """
        called.append((settings, force))

    def train(settings: Training, resume: Annotated[bool, typer.Option("--resume")] = False) -> None:
        """Train a model."""
        called.append((settings, resume))

    app = typer.Typer(rich_markup_mode=None)
    add_verb(app, draw)
    add_verb(app, train, settings_file="train.yaml")

    def run(*arguments):
        result = CliRunner().invoke(app, list(arguments))
        if isinstance(result.exception, InputError):
            raise result.exception
        return called.pop() if called else result.output

    return run


def test_flags_that_are_not_given_leave_the_defaults(run):
    assert run("draw", "a.wav", "b.wav") == (Drawing(sounds=["a.wav", "b.wav"]), False)


def test_every_kind_of_flag_is_read(run):
    given = "draw a.wav --steps 3 --window 1.5 --mode slow --lora x --lora y --word one --word two"
    assert run(*given.split(), "--no-overlap", "--quick", "--force") == (
        Drawing(
            sounds=["a.wav"],
            num_inference_steps=3,
            window_s=1.5,
            mode="slow",
            lora={"x": 1.0, "y": 1.0},
            words=("one", "two"),
            overlap=False,
            quick=True,
        ),
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "cluster"),
    [
        ("a.wav b.wav --cluster", "here"),
        ("--cluster a.wav b.wav", "here"),
        ("a.wav --cluster --quick b.wav", "here"),
        ("--cluster auto a.wav b.wav", "auto"),
        ("a.wav --cluster head:6379 b.wav", "head:6379"),
        ("a.wav --cluster=other b.wav", "other"),
        ("--cluster -- a.wav b.wav", "here"),
    ],
)
def test_a_flag_whose_value_may_be_omitted_takes_no_recording_for_it(run, arguments, cluster):
    settings, _ = run("draw", *arguments.split())
    assert (settings.sounds, settings.cluster) == (["a.wav", "b.wav"], cluster)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 0", "--steps must be at least 1; got 0"),
        ("--window 0", "--window must be above 0; got 0"),
        ("--mode medium", "--mode must be one of fast, slow; got medium"),
        ("--lora=", "--lora must not be empty"),
    ],
)
def test_a_mistake_names_the_flag(run, arguments, message):
    with pytest.raises(InputError) as error:
        run("draw", "a.wav", *arguments.split())
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 3 --steps=4", "--steps must be given once; got it 2 times"),
        ("--mode slow b.wav --mode slow --mode fast", "--mode must be given once; got it 3 times"),
        ("--overlap --no-overlap", "--overlap must be given once; got it 2 times"),
    ],
)
def test_a_flag_of_one_value_is_not_given_twice(run, arguments, message):
    with pytest.raises(InputError) as error:
        run("draw", "a.wav", *arguments.split())
    assert str(error.value) == message


def test_a_switch_may_be_repeated(run):
    assert run("draw", "a.wav", "--force", "--quick", "--force") == (Drawing(sounds=["a.wav"], quick=True), True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("draw", "SOUND is missing"),
        ("draw a.wav --steps many", "--steps must be a whole number"),
        ("draw a.wav --hidden 3", "there is no flag --hidden of root draw"),
        ("draw a.wav --no-quick", "there is no flag --no-quick of root draw; did you mean --quick?"),
    ],
)
def test_what_is_no_command_line_of_the_verb(run, arguments, expected):
    with pytest.raises(InputError, match=f"^{re.escape(expected)}"):
        run(*arguments.split())


def test_the_help_names_bounds_choices_units_defaults_and_examples(run):
    shown = " ".join(run("draw", "--help").split())
    for text in (
        "--steps INTEGER Denoising steps. [at least 1]",
        "--window SECONDS Length of a window. [above 0; default: 3]",
        "--mode fast|slow How to run. [default: fast]",
        "--[no-]overlap Overlap windows. [default: on]",
        "--word TEXT Hot words.",
        "--quick Be quick.",
        "--debug Show the traceback of an error.",
        "Examples: photism draw bark.ogg photism draw bark.ogg --steps 3",
    ):
        assert text in shown
    assert "hidden" not in shown


def test_flags_take_precedence_over_the_file_and_the_file_over_defaults(run, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("data: sounds\nsteps: 5\nfast: true\n")
    assert run("train", "--config", str(file)) == (Training(data="sounds", steps=5, fast=True), False)
    assert run("train", "other", "--config", str(file), "--steps", "6", "--no-fast") == (
        Training(data="other", steps=6, fast=False),
        False,
    )


def test_a_mistake_in_a_file_names_the_file_and_the_setting(run, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("data: sounds\nsteps: 0\n")
    with pytest.raises(InputError, match=r"settings\.yaml: steps must be at least 1; got 0$"):
        run("train", "--config", str(file))
    with pytest.raises(InputError, match=r"^--steps must be at least 1; got -1$"):
        run("train", "--config", str(file), "--steps", "-1")


def test_what_must_be_given_may_stand_in_a_file_but_not_be_absent(run):
    with pytest.raises(InputError, match=r"^DATA is missing$"):
        run("train", "--steps", "3")


def test_a_resumed_run_takes_the_settings_of_its_output(run, tmp_path):
    write_settings(Training(data="sounds", output="elsewhere", steps=5), tmp_path / "train.yaml")
    resumed = Training(data="sounds", output=str(tmp_path), steps=5)
    assert run("train", "-o", str(tmp_path), "--resume") == (resumed, True)
    other = tmp_path / "other.yaml"
    other.write_text("data: others\n")
    given = run("train", "-o", str(tmp_path), "--resume", "--config", str(other))
    assert given == (Training(data="others", output=str(tmp_path)), True)


def test_two_settings_that_exclude_each_other_name_the_flag(run):
    with pytest.raises(InputError, match=r"^--steps must be at most 100 with fast; got 101$"):
        run("train", "data", "--steps", "101", "--fast")


def test_a_path_stays_a_path():
    @settings
    class Files:
        """Settings of a test."""

        lm: Path | None = setting(None, "Language model.", metavar="FILE")

    called = []

    def read(settings: Files) -> None:
        """Read."""
        called.append(settings)

    app = typer.Typer()
    add_verb(app, read)
    CliRunner().invoke(app, ["--lm", "words.arpa"], catch_exceptions=False)
    assert called == [Files(lm=Path("words.arpa"))]
