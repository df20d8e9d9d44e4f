"""docs/guides/coming-from.md: its examples run, and its table of errors quotes what is raised."""

import re
from pathlib import Path

import pytest

import photism
from tests.documents.conftest import pending, run

GUIDE = (Path(__file__).parents[2] / "docs/guides/coming-from.md").read_text(encoding="utf8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
NAMES = re.findall(r"`(\w+)`", GUIDE.partition("| name | in place of |")[2].partition("\n\n")[0])


@pending
@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code, recordings):
    Path("speech.wav").write_bytes(recordings[0].read_bytes())
    run(code)


@pending
@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_table_is_exported(name):
    assert getattr(photism, name).__name__ in (name, "Wav2Vec2BertFeatureExtractor")
