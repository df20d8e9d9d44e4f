"""What is printed in any encoding of the standard streams."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import photism

NAME = "caf\udce9 é ł.ogg"  # the first é is a byte of Latin-1


@pytest.mark.parametrize("encoding", ["utf8", "ascii", "latin1", "cp1252"])
def test_json_has_the_same_values_in_every_encoding(encoding):
    code = (
        "import json, sys, typer; from photism.cli.text_streams import escape_unencodable; escape_unencodable();"
        f"typer.echo(json.dumps({NAME!a}, ensure_ascii=False)); typer.echo({NAME!a}, err=True)"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(photism.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    printed = "utf8" if encoding == "ascii" else encoding
    assert json.loads(done.stdout.decode(printed)) == NAME
    assert done.stderr.decode(printed).startswith("caf\\udce9 é ")
