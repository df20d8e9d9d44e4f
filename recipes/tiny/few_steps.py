"""Stage 10: compare drawing in 1, 2, 4 and 12 steps, with the LCM-LoRA and without it.

    python -m recipes.tiny.few_steps [--write]

An image is correct if the nearest stamp has the right caption, as in `recipes.tiny.evaluate`, for the same recordings.
The time is that of a call from a recording to its image, warm, the median of 15, in turns so that other load on the
machine affects all of them. `--write` replaces the table in recipes/tiny/README.md and in the model card.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from photism import AudioToImagePipeline
from recipes.tiny.evaluate import accuracy, drawn_recordings, write_between_marks
from recipes.tiny.export import FOLDER

STEPS = (1, 2, 4, 12)
RUNS = 15
RECORDING = FOLDER / "examples/elephant.en.ogg"


def measure_times(pipelines: dict[str, AudioToImagePipeline]) -> dict[tuple[str, int], float]:
    """Return the seconds from a recording to its image, by pipeline and number of steps."""
    cases = [(name, steps) for name in pipelines for steps in STEPS]
    times: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    for _ in range(RUNS + 1):
        for name, steps in cases:
            start = time.perf_counter()
            pipelines[name](RECORDING, num_inference_steps=steps)
            times[name, steps].append(time.perf_counter() - start)
    return {case: statistics.median(each[1:]) for case, each in times.items()}  # the first is the warm-up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table into the README and the model card")
    arguments = parser.parse_args()

    pipelines = {
        "guidance 3, DPM-Solver++": AudioToImagePipeline.from_pretrained(),
        "`--scheduler lcm`": AudioToImagePipeline.from_pretrained(scheduler="lcm"),
    }
    recordings = drawn_recordings()
    captions = [recording.caption for recording in recordings]
    first = next(iter(pipelines.values()))
    prompts = first.encoder.encode([recording.path for recording in recordings], batch_size=32)
    texts = first.encode_text(captions)
    times = measure_times(pipelines)
    lines = [
        f"| | steps | from sound, of {len(recordings)} | from text, of {len(captions)} | recording to image |",
        "|---|---|---|---|---|",
    ]
    for (name, steps), seconds in times.items():
        draw = pipelines[name]
        from_sound, from_text = (
            accuracy([row[0] for row in draw(each, num_inference_steps=steps, batch_size=20).images], captions)
            for each in (prompts, texts)
        )
        lines.append(f"| {name} | {steps} | {from_sound:.1%} | {from_text:.1%} | {seconds:.3f} s |")
        print(lines[-1], flush=True)
    print(f"{torch.get_num_threads()} threads")
    if arguments.write:
        for path in (Path(__file__).with_name("README.md"), FOLDER / "README.md"):
            write_between_marks(path, "\n".join(lines), name="steps")


if __name__ == "__main__":
    main()
