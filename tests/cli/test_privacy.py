"""Library and verbs as a user runs them: no host is reached, nothing is imported or printed without need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from photism.hub import bundled_model
from tests.support.captioned_sounds import write_sound

UNUSED = (
    "diffusers.models.autoencoders.autoencoder_dc",
    "diffusers.models.transformers.transformer_flux",
    "onnxruntime",
    "peft",
    "scipy.optimize",
    "scipy.stats",
    "sympy",
    "torch._dynamo",
    "torch._inductor",
    "torch.distributed.checkpoint",
    "torch.distributed.fsdp",
    "transformers.generation.utils",
)
"""Modules that take long to import, and that most verbs do not use."""
USED = {
    "finetune": ["torch._dynamo", "torch._inductor"],  # by training
    "library, sound": ["transformers.generation.utils"],  # by GPT-2
    "transcribe": ["sympy", "torch.distributed.fsdp"],  # by the wav2vec2 of transformers
}
"""Those of them that are used, and by what first."""

PROGRAM = """
import json, socket, sys
lines, unused = json.loads(sys.argv[1])
reached, statuses, imported = [], {}, {}
def audit(event, given):
    if event in ("socket.connect", "socket.getaddrinfo"):
        reached.append(str(given))
def see(name):
    known = sum(imported.values(), [])
    imported[name] = [each for each in unused if each in sys.modules and each not in known]
sys.addaudithook(audit)

from photism import AudioClassifier, AudioToImagePipeline
recording = lines[0][1]
AudioToImagePipeline.from_pretrained()(recording, num_inference_steps=1)
AudioClassifier.from_pretrained()(recording)
see("library")
from photism import AudioLDM2Pipeline
pipeline = AudioLDM2Pipeline.from_pretrained()
pipeline.set_progress_bar_config(disable=True)
pipeline("a bell", num_inference_steps=1)
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging
for logging in (diffusers_logging, transformers_logging):
    assert logging.get_verbosity() == logging.WARNING and logging.is_progress_bar_enabled()
see("library, sound")
for stream in (sys.stdout, sys.stderr):
    print("VERBS", file=stream, flush=True)

from photism.cli.app import main
for line in lines:
    sys.argv = ["photism", *line]
    try:
        main()
    except SystemExit as end:
        statuses[line[0]] = end.code or 0
    see(line[0])
print(json.dumps({"reached": reached, "statuses": statuses, "imported": imported}))
"""
"""Uses the library and then the verbs, and reports what they reach and import."""


@pytest.fixture(scope="module")
def recording() -> str:
    return str(sorted((bundled_model() / "examples").glob("*.ogg"))[0])


def run_program(program: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Not offline: what would be downloaded shows.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "XDG_CACHE_HOME")
    }
    environment |= {"HOME": str(home), "PHOTISM_CACHE": str(home / "cache")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, cwd=home, capture_output=True, text=True
    )


def test_nothing_reaches_a_host_or_imports_or_prints_what_it_need_not(
    recording: str, ctc_checkpoints: Path, tmp_path: Path
) -> None:
    for seed in range(4):
        write_sound(tmp_path / "classes" / "train" / f"class {seed % 2}" / f"{seed}.wav", seed)
    lines = [
        ["draw", recording, "--steps", "1", "-o", "drawn.png"],
        ["film", recording, "--steps", "1", "--fps", "1", "-o", "film.mp4"],
        ["hear", recording],
        ["label", recording],
        ["transcribe", recording, "--model", str(ctc_checkpoints / "wav2vec2")],
        ["sound", "a bell", "--steps", "1", "-o", "bell.wav"],
        ["finetune", "classify", "classes", "-o", "model", "--encoder=tiny", "--cpu", "--epochs=1", "--batch-size=2"],
    ]
    done = run_program(PROGRAM, tmp_path, json.dumps([lines, UNUSED]))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["reached"] == [], done.stderr
    assert done.stdout.startswith("VERBS\n"), "the library printed"
    assert done.stderr.startswith("VERBS\n"), "the library printed"
    assert found["statuses"] == {line[0]: 0 for line in lines}, done.stderr
    assert {name: modules for name, modules in found["imported"].items() if modules} == USED


def test_onnxruntime_keeps_no_statistics(tmp_path: Path) -> None:
    program = "from photism.library_logging import disable_telemetry\ndisable_telemetry()\nimport onnxruntime"
    pytest.importorskip("onnxruntime")
    done = run_program(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*"))
