"""Each long computation ends at its next step when it is cancelled, and leaves no trace in its model."""

import threading

import numpy as np
import pytest

import photism
from photism.cancellation import Cancelled, cancellable, check_cancelled
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.film import Film
from photism.drawing.video.resumable_file import write_film
from photism.drawing.video.settings import FilmSettings
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.listening.transcription.reference_text import ReferenceText
from tests.drawing.video.recordings import beats, noise, write_wav
from tests.support.classifiers import make_classifier
from tests.support.speaker_models import make_speaker_model
from tests.test_threads import frozen


def recording(seconds):
    return photism.Waveform(np.random.default_rng(0).standard_normal(round(16_000 * seconds)).astype(np.float32) / 10)


def draw(get):
    pipeline = photism.AudioToImagePipeline.from_pretrained(get("models") / "sd", scheduler="dpm++", device="cpu")
    settings = {"seed": 0, "batch_size": 1, "num_inference_steps": 2, "height": 16, "width": 16}
    return lambda report: pipeline(recording(0.3), callback_on_step=report, **settings)


def hear(get):
    ranker = photism.CaptionRanker.from_pretrained(get("models") / "sd", device="cpu")
    captions = [f"a sound of kind {number}" for number in range(40)]  # encoded in two batches
    settings = {"captions": captions, "window_s": 0.2, "batch_size": 2}
    return lambda report: list(ranker.stream(recording(2), on_progress=report, **settings))


def label(get):
    classifier = photism.AudioClassifier.from_pretrained(make_classifier(get("tmp_path") / "c", "bert"), device="cpu")
    paths = [write_wav(get("tmp_path") / "a.wav", noise(2.0))] * 2
    return lambda report: list(classifier.stream(paths, on_progress=report, window_s=0.2, batch_size=2))


def embed(get):
    embedder = photism.AudioEmbedder.from_pretrained(get("models") / "sd", device="cpu")
    recordings = [recording(1), recording(2)]
    return lambda report: list(embedder.stream(recordings, on_progress=report, window_s=0.2, batch_size=2))


def diarize(get):
    model = make_speaker_model(get("tmp_path") / "d", "AudioFrameClassification")
    timeline = photism.SpeakerTimeline.from_pretrained(model, device="cpu")
    return lambda report: list(timeline.stream([recording(1)] * 3, on_progress=report))


def transcribe(get, **settings):
    transcriber = photism.Transcriber.from_pretrained(get("ctc_checkpoints") / "w2v-bert", device="cpu")
    chosen = TranscribeSettings(window_s=1.0, **settings)
    return lambda report: list(transcriber.transcribe(recording(4), chosen, on_progress=report))


def search(get):
    return transcribe(get, beams=8, hot_words=["tea"])


def align(get):
    transcriber = photism.Transcriber.from_pretrained(get("ctc_checkpoints") / "w2v-bert", device="cpu")
    references, settings = [ReferenceText.of("a tea")], TranscribeSettings(window_s=1.0)
    return lambda report: list(transcriber.align_transcripts(recording(4), references, settings, on_progress=report))


def sound(get):
    pipeline = photism.AudioLDM2Pipeline.from_pretrained(get("sound_models") / "sound", device="cpu")
    settings = {"num_waveforms_per_prompt": 2, "batch_size": 1, "num_inference_steps": 2, "audio_length_in_s": 0.1}
    return lambda report: pipeline("rain", seed=0, callback_on_step=report, **settings)


def film(get):
    pipeline = photism.AudioToImagePipeline.from_pretrained(get("models") / "sd", device="cpu")
    measured = measure_recording(write_wav(get("tmp_path") / "a.wav", beats(1)))
    settings = {"fps": 4, "window_s": 0.5, "num_inference_steps": 2, "height": 16, "width": 16, "batch_size": 2}
    target = get("tmp_path") / "film.mp4"

    def write(report):
        write_film(Film(pipeline, measured, FilmSettings(**settings)), target, overwrite=True, callback_on_frame=report)
        assert [path.name for path in target.parent.glob("film*")] == [target.name]
        return target.read_bytes()

    return write


STEPS = {
    draw: 1 + 1 + 2,  # the encoder, the beginning of a batch and its steps
    hear: 10,
    label: 15,
    embed: 15,
    diarize: 1,
    transcribe: 5,
    search: 40,
    align: 6,
    sound: 2 * 2 + 3,
    film: 2 * (1 + 2) + 10,
}
"""The computations, and how often they can be cancelled at least."""


class Check:
    """Counts the steps, and cancels at one of them."""

    def __init__(self, last=None):
        self.count, self.last = 0, last

    def __call__(self, *progress):
        self.count += 1
        if self.count == self.last:
            raise Cancelled


@pytest.mark.parametrize(
    "make",
    [pytest.param(make, marks=pytest.mark.slow) if make is sound else make for make in STEPS],
    ids=lambda make: make.__name__,
)
def test_a_computation_ends_at_each_step_and_the_next_one_gives_the_same(make, request):
    compute = make(request.getfixturevalue)
    with cancellable(Check(1)), pytest.raises(Cancelled):
        compute(None)
    expected, threads = frozen(compute(None)), threading.active_count()
    check = Check()
    with cancellable(check):
        compute(None)
    assert check.count >= STEPS[make]
    for last in {check.count // 2, check.count}:
        check = Check(last)
        with cancellable(check), pytest.raises(Cancelled):
            compute(None)
        assert check.count == last
    report = Check(1)
    with pytest.raises(Cancelled):
        compute(report)
    assert report.count == 1
    assert threading.active_count() <= threads
    assert frozen(compute(None)) == expected


def test_without_a_check_nothing_is_cancelled():
    check_cancelled()


def test_a_block_within_a_block_has_its_own_check_for_as_long_as_it_lasts():
    outer, inner = Check(), Check()
    with cancellable(outer):
        check_cancelled()
        with cancellable(inner):
            check_cancelled()
            check_cancelled()
        check_cancelled()
    check_cancelled()
    assert (outer.count, inner.count) == (2, 2)


def test_another_thread_is_not_cancelled():
    with cancellable(Check(1)):
        thread = threading.Thread(target=check_cancelled)
        thread.start()
        thread.join()
        with pytest.raises(Cancelled):
            check_cancelled()
