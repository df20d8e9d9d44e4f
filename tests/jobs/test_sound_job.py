"""The corpus of `photism sound --captions` on a cluster, whose place a model in this process takes."""

from contextlib import contextmanager
from functools import partial

import pytest

from photism.audioldm2.dataset import generate_dataset
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.errors import InputError
from photism.jobs.sound_job import run_on_ray

CAPTIONS = ["Rain.", "A dog, barking!", "Rain."]


@pytest.fixture
def clusters(monkeypatch):
    """Replace Ray clusters, and return the workers that they have."""
    workers = []

    @contextmanager
    def ray_worker(job, address, *, device, workers: int | None, batch_recordings):
        assert (address, device, workers, batch_recordings) == ("auto", "cpu", 2, 1)
        yield opened.pop() if opened else job.load()

    opened = workers
    monkeypatch.setattr("photism.jobs.ray_worker.ray_worker", ray_worker)
    return workers


@pytest.fixture
def generate(sound_models, clusters):
    def generate(folder, *, is_on_ray):
        pipeline = SoundPipelineSettings(model=str(sound_models / "sound"), device="cpu")
        settings = SoundSettings(audio_length_in_s=0.2, num_inference_steps=1, seed=3)
        run = partial(run_on_ray, pipeline=pipeline, address="auto", workers=2) if is_on_ray else None
        return generate_dataset(CAPTIONS, folder, pipeline, settings, run_batches=run)

    return generate


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_the_files_are_those_of_a_corpus_of_this_process(generate, tmp_path):
    generate(tmp_path / "here", is_on_ray=False)
    generate(tmp_path / "ray", is_on_ray=True)
    assert files(tmp_path / "ray") == files(tmp_path / "here")
    (tmp_path / "ray/sounds/000001-rain.flac").unlink()
    generate(tmp_path / "ray", is_on_ray=True)
    assert files(tmp_path / "ray") == files(tmp_path / "here")


def test_a_caption_that_kills_its_process_ends_the_job(generate, clusters, tmp_path):
    class Killed:
        def stream(self, batches, *, on_error):
            on_error(1, InputError("the worker process was killed, 3 times"))
            yield

    clusters.append(Killed())
    with pytest.raises(MemoryError, match=r"captions \[2\]: the worker process was killed, 3 times"):
        generate(tmp_path / "ray", is_on_ray=True)
