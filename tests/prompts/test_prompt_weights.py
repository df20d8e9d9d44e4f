"""Weights of words in texts, in the syntax of compel."""

import sys

import pytest

from photism import InputError
from photism.prompts.prompt_weights import check_weight_syntax, read_weights
from photism.settings import SettingError


@pytest.mark.parametrize(
    ("text", "parts", "weights"),
    [
        ("a cat++ on a mat", ["a", "cat", "on a mat"], [1, 1.21, 1]),
        ("a (red cat)1.3, dog-", ["a", "red cat", ", dog"], None),
        ("(all of it)0.5", ["all of it"], [0.5]),
        ("((cat)1.2)1.2", ["cat"], [1.44]),
        ("(cat).5", ["cat"], [0.5]),
    ],
)
def test_weights_are_those_of_compel(text, parts, weights):
    weighted = read_weights(text, "text")
    if weights is None:  # compel reads a comma with the words after it
        assert weighted.weights[1] == 1.3
        assert weighted.weights[-1] == 0.9
    else:
        assert list(weighted.parts) == parts
        assert list(weighted.weights) == pytest.approx(weights)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a cat",
        "a black-and-white x-ray",
        "a well-known - dash",
        "a cat (asleep)",
        "(unbalanced",
        "cat)",
        "a cat (sleeping).",
        "a cat (sleeping)... and a dog",
        "a+b",
        "1 + 2",
    ],
)
def test_a_text_without_weights_stays_as_it_is(text, monkeypatch):
    monkeypatch.setitem(sys.modules, "compel", None)  # which is not needed
    assert read_weights(text, "text") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a (red cat:1.3)", r"text has a weight in another syntax, \(red cat:1.3\); write \(red cat\)1.3"),
        ("a cat <lora:ink:0.8>", "text cannot load <lora:ink:0.8>; give lora ink"),
        ("<lora:{style}:0.8>", "text cannot load <lora:{style}:0.8>; give lora {style}"),
        ("<lora:{}>", "text cannot load <lora:{}>; give lora {}"),
    ],
)
def test_the_syntax_of_other_programs(text, message):
    with pytest.raises(SettingError, match=message):
        check_weight_syntax(text, "text")


@pytest.mark.parametrize("text", ['("a", "b").blend(1, 1)', '("a", "b").and()', "a cat.swap(dog)"])
def test_what_is_no_weight(text):
    with pytest.raises(InputError, match=r"text must not contain .and\(\), .blend\(\) or .swap\(\)"):
        read_weights(text, "text")


def test_weights_need_compel(monkeypatch):
    monkeypatch.setitem(sys.modules, "compel", None)
    with pytest.raises(InputError, match="negative with weights needs compel, which is not installed: pip install"):
        check_weight_syntax("a cat++", "negative")
