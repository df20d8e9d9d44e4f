"""Make the notebooks of docs/tutorials from its pages, and run them.

    pip install nbclient ipykernel
    python docs/make_notebooks.py                   # all of them, about ten minutes
    python docs/make_notebooks.py draw-your-voice

A notebook has the text and the blocks of its page: `console` commands become shell lines, `python` blocks become cells,
and the output that the page shows is replaced by that of the cells. They run in a new temporary folder. The picture at
the head of a page is a file that its run makes.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

TUTORIALS = Path(__file__).parent / "tutorials"
PICTURES = {
    "draw-your-voice": "morph.png",
    "encoder-for-your-sounds": "farm.png",
    "film-from-a-song": "board.png",
    "fine-tune-speech-recognition": "recogniser/curve.png",
    "search-a-collection": "talk.png",
}
"""The file of a run that becomes the picture of its page."""
BLOCK = re.compile(r"^```(console|python|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WARNING = re.compile(r"^\S*/site-packages/.*\n(?:  .*\n)?", re.MULTILINE)
"""A warning with a path of this machine and the line of code that gave it."""
BAR = re.compile(r"━━|it/s\]|s/it\]")
HOME = "/home/ann"
"""Folder that the outputs show in place of the temporary one, as the pages do."""
LARGEST_PIXELS = 768
TIMEOUT_S = 1200
START = """# The files of this notebook go to a new folder.
import os
import tempfile

os.chdir(tempfile.mkdtemp())"""


class Cell(NamedTuple):
    """A cell of a notebook: its kind, "markdown" or "code", and its source."""

    kind: str
    source: str


def cells(page: str) -> list[Cell]:
    """Return the cells of a page in Markdown. The first code cell changes to a new folder."""
    found: list[Cell] = []
    start = 0
    for block in BLOCK.finditer(page):
        found.append(Cell("markdown", page[start : block.start()].strip()))
        start = block.end()
        language, text = block.groups()
        if language == "console":
            found.append(Cell("code", "\n".join(f"!{command}" for command in COMMAND.findall(text))))
        elif language == "python":
            found.append(Cell("code", text.strip()))
    found.append(Cell("markdown", page[start:].strip()))
    found = [cell for cell in found if cell.source]
    return [found[0], Cell("code", START), *found[1:]]


def run(sources: list[Cell], picture: str | None) -> tuple[dict[str, Any], bytes]:
    """Run the cells in a kernel of this environment, and return the notebook and a picture that they wrote.

    Args:
        sources: the cells.
        picture: path of the picture in their folder; None for none.

    Raises:
        CellExecutionError: a cell failed.
    """
    import nbformat
    from nbclient import NotebookClient

    made = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    notebook = nbformat.v4.new_notebook(
        cells=[made[kind](source, id=str(number)) for number, (kind, source) in enumerate(sources)],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
    )
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for `!photism`
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        client = NotebookClient(notebook, timeout=TIMEOUT_S, record_timing=False, store_widget_state=False)
        client.execute()
        pngs = [shrink(path.read_bytes()) for path in Path(folder).glob(f"*/{picture}")]
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = merged(cell.outputs)
                for output in cell.outputs:
                    tidy(output, folder)
                cell.outputs = [each for each in cell.outputs if not is_empty(each)]
    return notebook, b"".join(pngs)


def merged(outputs: list[Any]) -> list[Any]:
    """Return outputs with all text of one stream in its first output."""
    found: list[Any] = []
    streams: dict[str, Any] = {}
    for output in outputs:
        first = streams.setdefault(output.name, output) if output.output_type == "stream" else output
        if first is output:
            found.append(output)
        else:
            first.text += output.text
    return found


def is_empty(output: dict[str, Any]) -> bool:
    """Return whether nothing is left of an output, such as a progress bar that is done."""
    return output.get("text") == "" or output.get("data", {}).get("text/html") == ""


def tidy(output: dict[str, Any], folder: str) -> None:
    """Shrink the picture of an output in place, and remove from text what a reader does not see in the end."""
    if "text" in output:
        output["text"] = tidy_text(output["text"], folder)
    data = output.get("data", {})
    if "image/png" in data:
        data.pop("image/jpeg", None)  # a second copy of the same picture
        data["image/png"] = base64.b64encode(shrink(base64.b64decode(data["image/png"]))).decode()
    for kind in ("text/plain", "text/html"):
        if kind in data:
            data[kind] = tidy_text(data[kind], folder).rstrip("\n")


def tidy_text(text: str, folder: str) -> str:
    """Return text without control sequences, progress bars, and warnings and folders of this machine."""
    text = WARNING.sub("", CONTROL.sub("", text))
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    text = "\n".join(line for line in lines if not BAR.search(line)).strip("\n")
    return re.sub(rf"{re.escape(folder)}/tmp\w+", HOME, f"{text}\n" if text else "")


def shrink(png: bytes) -> bytes:
    """Return a PNG with a palette and at most LARGEST_PIXELS on its longer side."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((LARGEST_PIXELS, LARGEST_PIXELS))
    small = io.BytesIO()
    image.quantize(128).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    """Make the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of pages without .md; by default all")
    names = parser.parse_args().names or sorted(path.stem for path in TUTORIALS.glob("*.md"))
    for name in names:
        notebook, png = run(cells((TUTORIALS / f"{name}.md").read_text(encoding="utf8")), PICTURES.get(name))
        if png:
            (TUTORIALS / "pictures" / f"{name}.png").write_bytes(png)
        path = TUTORIALS / f"{name}.ipynb"
        path.write_text(f"{json.dumps(notebook, indent=1, ensure_ascii=False)}\n", encoding="utf8")
        sys.stderr.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
