"""Messages about command lines: what was given, and what to give in its place."""

import sys

import pytest

from photism.cli.app import main


def message(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["photism", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["docter"], "there is no command docter of photism; did you mean doctor?"),
        (["paint"], "there is no command paint of photism; photism --help has examples"),
        (["finetune", "ctcc"], "there is no command ctcc of photism finetune; did you mean ctc?"),
        (["speakers", "time"], "there is no command time of photism speakers; did you mean timeline?"),
        (["draw", "--stesp", "3"], "there is no flag --stesp of photism draw; did you mean --steps or --style?"),
        (["draw", "--num-inference-steps", "3"], "there is no flag --num-inference-steps of photism draw; did you "
         "mean --steps?"),
        (["draw", "--negative-prompt", "x"], "there is no flag --negative-prompt of photism draw; did you mean "
         "--negative?"),
        (["draw", "--torch_dtype", "x"], "there is no flag --torch_dtype of photism draw; did you mean --dtype?"),
        (["draw", "--xyzzy"], "there is no flag --xyzzy of photism draw; photism draw --help has examples"),
        (["--steps", "3", "draw"], "there is no flag --steps of photism; flags of a command come after it"),
        (["draw", "a.ogg", "--steps"], "--steps needs a value: --steps INTEGER"),
        (["draw", "a.ogg", "--steps", "few"], "--steps must be a whole number"),
        (["draw", "a.ogg", "--strength", "much"], "--strength must be a number"),
        (["draw", "a.ogg", "--strict=yes"], "--strict takes no value"),
        (["hear"], "SOUND is missing; photism hear --help has examples"),
        (["index", "a.ogg"], "--output is missing; photism index --help has examples"),
        (["doctor", "now"], "photism doctor does not take now"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line_that_says_what_to_give(arguments, expected, monkeypatch, capsys):
    assert message(monkeypatch, capsys, *arguments) == f"photism: {expected}\n"


@pytest.mark.parametrize(
    ("group", "verb"), [([], "draw"), (["speakers"], "speakers timeline"), (["finetune"], "finetune classify")]
)
def test_a_file_in_place_of_a_verb(group, verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owl.ogg").touch()
    expected = f"photism: owl.ogg is a file, and a command must come first, such as photism {verb} owl.ogg\n"
    assert message(monkeypatch, capsys, *group, "owl.ogg") == expected


@pytest.mark.parametrize("group", ["speakers", "finetune"])
def test_a_group_of_verbs_alone_prints_its_help(group, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["photism", group])
    with pytest.raises(SystemExit) as end:
        main()
    captured = capsys.readouterr()
    assert not end.value.code
    assert captured.out.startswith(f"Usage: photism {group} COMMAND ...\n\n")
    assert captured.err == ""
