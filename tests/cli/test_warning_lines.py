"""Warnings about recordings on the command line: one line each, and other warnings as Python shows them."""

import warnings

import pytest

from photism.cli.warning_lines import print_recording_warnings
from photism.errors import RecordingWarning


def test_a_warning_about_a_recording_is_one_line(capsys):
    print_recording_warnings()
    warnings.warn("a.wav: nothing\n to hear", RecordingWarning, stacklevel=1)
    assert capsys.readouterr().err == "photism: a.wav: nothing to hear\n"


def test_other_warnings_are_not_changed(capsys):
    print_recording_warnings()
    with pytest.warns(UserWarning, match="other"):
        warnings.warn("other", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == ""
