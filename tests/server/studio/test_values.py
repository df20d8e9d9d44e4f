"""Checks of the values that the page is sent."""

import pytest

from photism.server.studio.values import MAX_TEXT, number_problem, text_problem


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1, None),
        (4.0, None),
        (0, "must be at least 1; got 0"),
        (5, "must be at most 4; got 5"),
        ("3", 'must be a number; got "3"'),
        (None, "must be a number; got null"),
        (True, "must be a number; got true"),
        (float("nan"), "must be a number; got NaN"),
        ([1] * 1000, "must be a number; got [" + "1, " * 26 + "1"),
    ],
)
def test_numbers_are_checked(value, problem):
    assert number_problem(value, 1, 4) == problem


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "null"), (5, "5"), (["a"], '["a"]'), ("x" * 10_001, '"' + "x" * 79)]
)
def test_texts_are_checked(value, shown):
    assert text_problem("x" * MAX_TEXT) is None
    assert text_problem(value) == f"must be a text of at most 10000 characters; got {shown}"
