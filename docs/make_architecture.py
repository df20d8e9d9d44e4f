"""Draw the data flow of docs/architecture.md as an SVG file.

    python docs/make_architecture.py docs/architecture.svg

Boxes stand for folders of `src/photism`, and arrows for the data between them, with its shape.
"""

import argparse
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1120, 644
BOX_WIDTH, BOX_HEIGHT = 172, 76
TOP, COLUMNS = 288, (22, 248, 474, 700, 926)  # the row of boxes that a recording passes, and the left edge of each
LOWER, LOWEST = 438, 532  # the rows of listening and audioldm2
FONT = "Helvetica, Arial, sans-serif"
INK, SOFT, FILL, ACCENT = "#212529", "#5c636a", "#f1f3f5", "#dfe7f5"
MAIN = (
    ("recordings", "files, URLs, arrays;", "listed by manifest/"),
    ("audio/", "decode, resample,", "log-mel features"),
    ("encoder/", "Wav2Vec2-BERT", "and its heads"),
    ("prompts/", "prompt adapter, BOS,", "prompt space"),
    ("drawing/", "any diffusers pipeline", "→ images, video"),
)
LEGEND = "B batch · T samples at 16 kHz · F frames · D width · S tokens of a prompt"
SHAPES = ("", "(B, F, 160)", "(B, F, D)", "(B, S, D_prompt)")


def text(x: float, y: float, words: str, *, size: int = 14, color: str = INK, bold: bool = False) -> str:
    """Return a line of text, centred at x."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="middle"{weight}>{escape(words)}</text>'
    )


def box(
    x: float, y: float, width: float, lines: tuple[str, ...], *, height: float = BOX_HEIGHT, fill: str = FILL
) -> str:
    """Return a box whose first line is a title."""
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{SOFT}"/>']
    first = y + height / 2 - 9 * len(lines) + 14
    for index, words in enumerate(lines):
        color = SOFT if index else INK
        parts.append(
            text(x + width / 2, first + 18 * index, words, size=13 if index else 15, color=color, bold=not index)
        )
    return "\n".join(parts)


def arrow(*points: tuple[float, float]) -> str:
    """Return a line through the points that ends in an arrowhead."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{SOFT}" stroke-width="1.5" marker-end="url(#head)"/>'


def wide(first: int, last: int, y: float, *lines: str, height: float = 50, fill: str = FILL) -> str:
    """Return a box from one column to another."""
    return box(COLUMNS[first], y, COLUMNS[last] + BOX_WIDTH - COLUMNS[first], lines, height=height, fill=fill)


def picture() -> str:
    """Return the SVG document."""
    middle = [x + BOX_WIDTH / 2 for x in COLUMNS]
    bottom = TOP + BOX_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONT}">',
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{SOFT}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        wide(0, 4, 16, "cli/", "one module per command"),
        wide(0, 4, 78, "server/", "the HTTP interface, and the studio in a browser"),
        wide(0, 2, 140, "jobs/", "a command over any number of recordings"),
        wide(3, 4, 140, "collection/", "index and search"),
        wide(0, 1, 202, "training/", "the trainer and its tasks"),
        wide(2, 2, 202, "export/", "ONNX"),
        wide(3, 4, 202, "pipelines/", "as those of transformers"),
    ]
    for index, lines in enumerate(MAIN):
        parts.append(wide(index, index, TOP, *lines, height=BOX_HEIGHT, fill=ACCENT if index else "white"))
    for left, right, shape in zip(COLUMNS[:-1], COLUMNS[1:], SHAPES, strict=True):
        parts.append(arrow((left + BOX_WIDTH, TOP + 38), (right - 3, TOP + 38)))
        parts.append(text((left + BOX_WIDTH + right) / 2, bottom + 18, shape, size=12, color=SOFT))
    parts += [
        wide(0, 0, LOWER, "text", height=58, fill="white"),
        wide(1, 1, LOWER, "audioldm2/", "text → waveform", height=58, fill=ACCENT),
        wide(2, 3, LOWER, "listening/", "classes, text, speakers, nearest captions", height=58, fill=ACCENT),
        arrow((COLUMNS[0] + BOX_WIDTH, LOWER + 29), (COLUMNS[1] - 3, LOWER + 29)),
        arrow((middle[1], LOWER), (middle[1], bottom + 3)),
        text(middle[1] + 28, LOWER - 28, "(B, T)", size=12, color=SOFT),
        arrow((middle[2], bottom), (middle[2], LOWER - 3)),
        arrow((middle[3], bottom), (middle[3], LOWER - 3)),
        wide(0, 4, LOWEST, "errors · files · hub · device · settings", "imported by all, import none of the above"),
        text(WIDTH / 2, HEIGHT - 24, LEGEND, size=13, color=SOFT),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write the SVG file given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.parse_args().target.write_text(picture(), encoding="utf8")


if __name__ == "__main__":
    main()
