"""The verbs as a user runs them: no host is reached, nothing is imported or printed that the user did not ask for."""

import json
import os
import subprocess
import sys

import pytest

from photism.hub import bundled_model
from tests.support.captioned_sounds import write_sound

PROGRAM = """
import json, socket, sys
reached = []
def audit(event, given):
    if event in ("socket.connect", "socket.getaddrinfo"):
        reached.append(str(given))
sys.addaudithook(audit)
from photism.cli.app import main
statuses = []
for line in json.loads(sys.argv[1]):
    sys.argv = ["photism", *line]
    try:
        main()
    except SystemExit as end:
        statuses.append(end.code or 0)
print(json.dumps({"reached": reached, "statuses": statuses, "onnxruntime": "onnxruntime" in sys.modules}))
"""

LIBRARY = """
import sys
from photism import AudioClassifier, AudioLDM2Pipeline, AudioToImagePipeline
recording = sys.argv[1]
AudioToImagePipeline.from_pretrained()(recording, num_inference_steps=1)
AudioClassifier.from_pretrained()(recording)
pipeline = AudioLDM2Pipeline.from_pretrained()
pipeline.set_progress_bar_config(disable=True)
pipeline("a bell", num_inference_steps=1)
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging
for logging in (diffusers_logging, transformers_logging):
    assert logging.get_verbosity() == logging.WARNING and logging.is_progress_bar_enabled()
"""


@pytest.fixture(scope="module")
def recording():
    return str(sorted((bundled_model() / "examples").glob("*.ogg"))[0])


def run_program(program, home, *arguments):
    # Not offline: what would be downloaded shows.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "XDG_CACHE_HOME")
    }
    environment |= {"HOME": str(home), "PHOTISM_CACHE": str(home / "cache")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, cwd=home, capture_output=True, text=True
    )


def test_no_verb_reaches_a_host_or_imports_onnxruntime(recording, ctc_checkpoints, tmp_path):
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
    done = run_program(PROGRAM, tmp_path, json.dumps(lines))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"reached": [], "statuses": [0] * len(lines), "onnxruntime": False}, done.stderr


def test_onnxruntime_keeps_no_statistics(tmp_path):
    program = "from photism.library_logging import disable_telemetry\ndisable_telemetry()\nimport onnxruntime"
    pytest.importorskip("onnxruntime")
    done = run_program(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*"))


def test_a_library_call_prints_nothing_and_restores_the_settings(recording, tmp_path):
    done = run_program(LIBRARY, tmp_path, recording)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
