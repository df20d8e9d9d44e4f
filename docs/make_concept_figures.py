"""Draw the figures of docs/concepts as SVG files, from the bundled model and recordings.

python docs/make_concept_figures.py docs/concepts
"""

import argparse
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import normalize

from photism import AudioToImagePipeline, load_waveform
from photism.hub import bundled_model
from photism.prompts.metrics import sequence_similarity
from photism.prompts.text import encode_text

CAPTIONS = {
    "elephant.en": "An elephant.",
    "banana.es": "A banana.",
    "butterfly.ca": "A butterfly.",
    "dolphin.ro": "A dolphin.",
    "strawberry.fr": "A strawberry.",
    "tomato.ru": "A ripe, red tomato!",
}
INK, SOFT, ACCENT, PALE = "#212529", "#5c636a", "#5b3fd6", "#e4dffb"
OTHERS = ("#5c636a", "#8a8590", "#adb5bd", "#ced4da", "#dee2e6")
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "photism",  # the same file in each run
    "font.family": ["DejaVu Sans", "sans-serif"],
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_alignment(prompts: Tensor, captions: Tensor) -> Figure:
    """Draw the similarity of each recording with each caption, (N, S, D) each, as a mean and position by position."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), width_ratios=(1, 1.25), layout="constrained")
    similarity = sequence_similarity(prompts, captions)
    left.imshow(similarity, cmap="Purples", vmin=0, vmax=1)
    for (row, column), value in zip(
        ((row, column) for row in range(len(prompts)) for column in range(len(captions))),
        similarity.flatten().tolist(),
        strict=True,
    ):
        left.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else INK)
    left.set_xticks(range(len(captions)), CAPTIONS.values(), rotation=30, ha="right")
    left.set_yticks(range(len(prompts)), CAPTIONS)
    left.set_title("Mean cosine similarity over the positions")
    left.spines[:].set_visible(False)

    cosines = (normalize(captions, dim=-1) * normalize(prompts[0], dim=-1)).sum(-1)  # (M, S, D) -> (M, S)
    for caption, values, color in zip(CAPTIONS.values(), cosines.tolist(), (ACCENT, *OTHERS), strict=True):
        is_own = color == ACCENT
        right.plot(values, color=color, marker="o", linewidth=2.5 if is_own else 1.2, markersize=4, label=caption)
    right.set_title("elephant.en and each caption, position by position")
    right.set_xlabel("position in the prompt, 0 is BOS")
    right.set_ylabel("cosine similarity")
    right.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.95))
    return figure


def draw_packing(tokens: list[int]) -> Figure:
    """Draw the tokens of a batch of clips with and without padding."""
    figure, (padded, packed) = plt.subplots(2, 1, figsize=(11, 3.6), height_ratios=(6, 1.4), layout="constrained")
    longest, total = max(tokens), sum(tokens)
    for row, (name, count) in enumerate(zip(CAPTIONS, tokens, strict=True)):
        padded.add_patch(Rectangle((0, row), count, 0.8, facecolor=ACCENT, edgecolor="white"))
        padded.add_patch(Rectangle((count, row), longest - count, 0.8, facecolor=PALE, edgecolor=SOFT, hatch="///"))
        padded.text(-2, row + 0.4, f"{name}: {count}", ha="right", va="center")
    padded.set_title(
        f"With padding: {len(tokens)} × {longest} = {len(tokens) * longest} tokens pass every layer", loc="left"
    )
    padded.set(xlim=(-40, total + 5), ylim=(len(tokens), -0.2))
    start = 0
    for count in tokens:
        packed.add_patch(Rectangle((start, 0), count, 0.8, facecolor=ACCENT, edgecolor="white", linewidth=2))
        packed.text(start + count / 2, 0.4, str(count), ha="center", va="center", color="white")
        start += count
    packed.set_title(f"Packed: {total} tokens", loc="left")
    packed.set(xlim=(-40, total + 5), ylim=(1, -0.2))
    for axes in (padded, packed):
        axes.axis("off")
    return figure


def draw_time_axis() -> Figure:
    """Draw parts of a recording with a late start, a hole and an overlap, and where their samples are placed."""
    figure, axes = plt.subplots(figsize=(11, 3.2), layout="constrained")
    parts = [(0.5, 1.5), (1.5, 2.5), (3.5, 4.5), (4.2, 5.2), (5.2, 6.2)]  # start and end in seconds
    for number, (start, stop) in enumerate(parts, start=1):
        overlaps = number == 4
        axes.add_patch(
            Rectangle((start, 2.2 if overlaps else 1.9), stop - start, 0.6, facecolor=ACCENT, edgecolor="white")
        )
        axes.text(
            (start + stop) / 2, 2.5 if overlaps else 2.2, f"part {number}", ha="center", va="center", color="white"
        )
    for start, stop, name in ((0, 0.5, "silence"), (2.5, 3.5, "silence")):
        axes.add_patch(Rectangle((start, 0.3), stop - start, 0.6, facecolor=PALE, edgecolor=SOFT, hatch="///"))
        axes.text((start + stop) / 2, 0.12, name, ha="center", va="top", color=SOFT)
    placed = [(0.5, 1.5), (1.5, 2.5), (3.5, 4.5), (4.5, 5.2), (5.2, 6.2)]
    for number, (start, stop) in enumerate(placed, start=1):
        axes.add_patch(Rectangle((start, 0.3), stop - start, 0.6, facecolor=ACCENT, edgecolor="white"))
        axes.text((start + stop) / 2, 0.6, f"part {number}", ha="center", va="center", color="white")
    axes.text(-0.1, 2.3, "timestamps of\nthe container", ha="right", va="center")
    axes.text(-0.1, 0.6, "samples of\nthe waveform", ha="right", va="center")
    axes.set(xlim=(-1.4, 6.6), ylim=(-0.2, 3), yticks=[], xlabel="seconds on the clock of the container")
    axes.spines["left"].set_visible(False)
    axes.set_xticks(range(7))
    return figure


def draw_prompt_space(length: int, width: int, tokens: int, seconds: float, frames: int) -> Figure:
    """Draw how a text and a recording become sequences of one shape."""
    figure, axes = plt.subplots(figsize=(11, 3.4), layout="constrained")

    def box(x: float, y: float, title: str, detail: str, color: str = "#f1f3f5") -> None:
        axes.add_patch(Rectangle((x, y), 2.0, 0.9, facecolor=color, edgecolor=SOFT))
        axes.text(x + 1.0, y + 0.57, title, ha="center", va="center", weight="bold")
        axes.text(x + 1.0, y + 0.27, detail, ha="center", va="center", color=SOFT, size=9)

    def arrow(x: float, y: float, stop_x: float, stop_y: float) -> None:
        axes.annotate("", (stop_x, stop_y), (x, y), arrowprops={"arrowstyle": "->", "color": SOFT})

    box(0, 2.1, "“An elephant.”", "text")
    box(5.6, 2.1, "text encoder", "frozen")
    box(0, 0.3, "elephant.en.ogg", f"{seconds:.1f} s")
    box(2.8, 0.3, "Wav2Vec2-BERT", f"{frames} states")
    box(5.6, 0.3, "prompt adapter", f"BOS and {tokens} tokens")
    box(8.4, 1.2, "prompt_embeds", f"({length}, {width})", PALE)
    box(11.2, 1.2, "cross-attention", "of the UNet")
    arrow(2.05, 2.55, 5.55, 2.55)
    arrow(2.05, 0.75, 2.75, 0.75)
    arrow(4.85, 0.75, 5.55, 0.75)
    arrow(7.65, 2.55, 8.75, 2.15)
    arrow(7.65, 0.75, 8.75, 1.15)
    arrow(10.45, 1.65, 11.15, 1.65)
    axes.set(xlim=(-0.1, 13.3), ylim=(0.1, 3.2))
    axes.axis("off")
    return figure


def main() -> None:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    matplotlib.use("svg")
    matplotlib.rcParams |= STYLE
    pipeline = AudioToImagePipeline.from_pretrained()
    encoder, space = pipeline.encoder, pipeline.encoder.prompt_space
    waveforms = [load_waveform(bundled_model() / "examples" / f"{name}.ogg") for name in CAPTIONS]
    tokens = encoder.extract_features(waveforms).attention_mask.sum(1).tolist()
    captions, _ = encode_text(pipeline.diffusion, list(CAPTIONS.values()))
    figures = {
        "prompt-space": draw_prompt_space(
            space.length, space.width, encoder.config.tokens, waveforms[0].duration_s, tokens[0]
        ),
        "alignment": draw_alignment(encoder.encode(waveforms).prompt_embeds, captions),
        "packing": draw_packing(tokens),
        "time-axis": draw_time_axis(),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
