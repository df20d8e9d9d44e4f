"""docs/coming-from: the examples run, and the tables of errors quote what is raised."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import photism
from tests.documents.conftest import run

FOLDER = Path(__file__).parents[2] / "docs/coming-from"
PAGES = {path.stem: path.read_text(encoding="utf8") for path in sorted(FOLDER.glob("*.md"))}
EXAMPLES = [each for page in PAGES.values() for each in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)]
ERRORS = [
    each
    for page in PAGES.values()
    for each in re.findall(r"^\| `(.*)` \| `(.*)` \|$", page.partition("| code | error |")[2], re.MULTILINE)
]
NAMES = re.findall(r"`(\w+)`", PAGES["index"].partition("| name | in place of |")[2].partition("\n\n")[0])


class Names(dict[str, object]):
    """The names of photism, and those that are given."""

    def __missing__(self, name: str) -> object:
        return getattr(photism, name)


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code, recordings):
    Path("speech.wav").write_bytes(recordings[0].read_bytes())
    run(code.replace("num_inference_steps=25", "num_inference_steps=2"))  # for time


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_table_is_exported(name):
    assert getattr(photism, name).__name__ in (name, "Wav2Vec2BertFeatureExtractor")


@pytest.mark.parametrize(("code", "message"), ERRORS)
def test_what_has_no_counterpart_is_one_error(code, message):
    with pytest.raises((photism.InputError, TypeError), match=re.escape(message)):
        eval(code, {}, Names(samples=np.zeros(16_000, np.float32), diffusion=object(), generator=torch.Generator()))
