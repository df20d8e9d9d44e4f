"""Every public callable, called by four threads at once, returns to the bit what it returns in one thread."""

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from threading import Barrier

import numpy as np
import pytest
import torch
from PIL import Image

import photism
from tests.support.classifiers import make_classifier
from tests.support.speaker_models import make_speaker_model

THREADS = 4
CALLS = 2  # of each thread
TEXTS = ("a red koala", "rain", "an elephant, smiling, with the moon and a very long snake", "")
QUICK_SOUND = {"num_inference_steps": 2, "audio_length_in_s": 0.1}

NOT_CALLED = {
    "AudioPipelineOutput",  # data
    "InputError",
    "Waveform",
    "Wav2Vec2BertConfig",
    "AudioLDM2ProjectionModel",  # of diffusers; the pipeline calls them
    "AudioLDM2UNet2DConditionModel",
}


def noise(number):
    """Return a recording of its own length."""
    length = 6_000 + 1_500 * (number % 4)
    return (0.1 * np.random.default_rng(number).standard_normal(length)).astype(np.float32)


def tiny_config(**other):
    from transformers import Wav2Vec2BertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return Wav2Vec2BertConfig(**sizes, output_hidden_size=16, vocab_size=12, tdnn_dim=[8] * 5, **other)


def features(number):
    return photism.Wav2Vec2BertFeatureExtractor(padding_value=1.0)(
        [noise(number), noise(number + 1)], sampling_rate=16_000, return_tensors="pt"
    )


def call_draw(get):
    pipeline = photism.AudioToImagePipeline.from_pretrained(get("models") / "sd", scheduler="dpm++:sde", device="cpu")
    return lambda number: pipeline(
        photism.Waveform(noise(number)), seed=number, images_per_sound=2, num_inference_steps=3, text=TEXTS[number % 4]
    )


def call_sound(get):
    pipeline = photism.AudioLDM2Pipeline.from_pretrained(get("sound_models") / "sound", device="cpu")
    return lambda number: pipeline(TEXTS[number % 4], seed=number, **QUICK_SOUND).audios


def call_text_to_audio(get):
    made = photism.pipeline("text-to-audio", model=get("sound_models") / "sound", device=-1, forward_params=QUICK_SOUND)
    return lambda number: made(TEXTS[number % 4], forward_params={"seed": number})


def call_prompt_space(get):
    diffusion = photism.AudioToImagePipeline.from_pretrained(get("models") / "xl", device="cpu").diffusion
    return lambda number: vars(photism.PromptSpace.of(diffusion, name="xl", captions=TEXTS[: 1 + number % 4]))


def call_encoder(get):
    encoder = photism.AudioPromptEncoder.from_pretrained(get("models") / "sd")
    return lambda number: encoder.encode([photism.Waveform(noise(number)), photism.Waveform(noise(number + 1))])


def call_ranker(get):
    ranker = photism.CaptionRanker.from_pretrained(get("models") / "sd", device="cpu")
    return lambda number: ranker.rank(photism.Waveform(noise(number)), captions=TEXTS[: 2 + number % 2])


def call_embedder(get):
    embedder = photism.AudioEmbedder.from_pretrained(get("models") / "sd", device="cpu")
    return lambda number: (
        embedder.embed(photism.Waveform(noise(number))),
        embedder.embed_texts(TEXTS[: 1 + number % 4]),
    )


def caller_of(task, model):
    def call(get):
        return photism.pipeline(task, model=model(get), device="cpu")

    return call


def call_zero_shot(get):
    made = photism.pipeline("zero-shot-audio-classification", model=get("models") / "sd", device="cpu")
    return lambda number: made(noise(number), candidate_labels=TEXTS[: 2 + number % 2])


def on_recordings(load):
    def call(get):
        made = load(get)
        return lambda number: made(noise(number))

    return call


def caller_of_model(name, **config):
    def call(get):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = getattr(photism, name)(tiny_config(**config)).eval()
        inputs = [features(number) for number in range(THREADS)]
        with torch.no_grad():
            model(**inputs[0])

        def forward(number):
            with torch.no_grad():
                return dict(model(**inputs[number % THREADS]))

        return forward

    return call


def caller_of_auto_class(name, folder):
    def call(get):
        path = folder(get)

        def load(number):
            loaded = getattr(photism, name).from_pretrained(path)
            if not isinstance(loaded, torch.nn.Module):
                return str(loaded)
            with torch.no_grad():
                return dict(loaded(**features(number)))

        return load

    return call


def call_processor(get):
    processor = photism.Wav2Vec2BertProcessor.from_pretrained(get("ctc_checkpoints") / "w2v-bert")
    return lambda number: [
        dict(processor(noise(number), sampling_rate=16_000)),
        processor(text=["A" * (number + 1), "TEA"], padding=True),
    ]


def ctc(get):
    return get("ctc_checkpoints") / "w2v-bert"


def classifier(get):
    return make_classifier(get("tmp_path") / "classifier", "bert")


def speakers(head):
    return lambda get: make_speaker_model(get("tmp_path") / head, head)


def call_factory(get):
    folder = classifier(get)
    return lambda number: photism.pipeline("audio-classification", model=folder, device="cpu")(noise(number))


CASES = {
    "AudioClassificationPipeline": on_recordings(caller_of("audio-classification", classifier)),
    "AudioClassifier": on_recordings(
        lambda get: photism.AudioClassifier.from_pretrained(classifier(get), device="cpu")
    ),
    "AudioEmbedder": call_embedder,
    "AudioLDM2Pipeline": call_sound,
    "AudioPromptEncoder": call_encoder,
    "AudioToImagePipeline": call_draw,
    "AutomaticSpeechRecognitionPipeline": on_recordings(caller_of("automatic-speech-recognition", ctc)),
    "CaptionRanker": call_ranker,
    "PromptSpace": call_prompt_space,
    "SpeakerTimeline": on_recordings(
        lambda get: photism.SpeakerTimeline.from_pretrained(speakers("AudioFrameClassification")(get), device="cpu")
    ),
    "SpeakerVerifier": on_recordings(
        lambda get: photism.SpeakerVerifier.from_pretrained(speakers("XVector")(get), device="cpu").embed
    ),
    "TextToAudioPipeline": call_text_to_audio,
    "Transcriber": on_recordings(lambda get: photism.Transcriber.from_pretrained(ctc(get), device="cpu")),
    "ZeroShotAudioClassificationPipeline": call_zero_shot,
    "load_waveform": on_recordings(
        lambda get: lambda recording: photism.load_waveform(recording, sampling_rate=8_000).samples
    ),
    "log_mel": on_recordings(lambda get: lambda recording: tuple(photism.log_mel([recording, recording[:3000]]))),
    "pipeline": call_factory,
    "SeamlessM4TFeatureExtractor": lambda get: lambda number: dict(features(number)),
    "Wav2Vec2BertFeatureExtractor": lambda get: lambda number: dict(features(number)),
    "Wav2Vec2BertProcessor": call_processor,
    "Wav2Vec2BertForAudioFrameClassification": caller_of_model("Wav2Vec2BertForAudioFrameClassification"),
    "Wav2Vec2BertForCTC": caller_of_model("Wav2Vec2BertForCTC", add_adapter=True),
    "Wav2Vec2BertForSequenceClassification": caller_of_model(
        "Wav2Vec2BertForSequenceClassification", position_embeddings_type="rotary"
    ),
    "Wav2Vec2BertForXVector": caller_of_model("Wav2Vec2BertForXVector"),
    "Wav2Vec2BertModel": caller_of_model("Wav2Vec2BertModel", position_embeddings_type="relative"),
    "AutoConfig": caller_of_auto_class("AutoConfig", ctc),
    "AutoFeatureExtractor": caller_of_auto_class("AutoFeatureExtractor", ctc),
    "AutoProcessor": caller_of_auto_class("AutoProcessor", ctc),
    "AutoModel": caller_of_auto_class("AutoModel", ctc),
    "AutoModelForCTC": caller_of_auto_class("AutoModelForCTC", ctc),
    "AutoModelForAudioClassification": caller_of_auto_class("AutoModelForAudioClassification", classifier),
    "AutoModelForAudioFrameClassification": caller_of_auto_class(
        "AutoModelForAudioFrameClassification", speakers("AudioFrameClassification")
    ),
    "AutoModelForAudioXVector": caller_of_auto_class("AutoModelForAudioXVector", speakers("XVector")),
}


def frozen(value):
    """Return a value that is equal if all its tensors, arrays and images are equal to the bit."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, Image.Image):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype, value.tobytes()
    if isinstance(value, Mapping):
        return {str(name): frozen(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [frozen(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: frozen(getattr(value, each.name)) for each in fields(value)}
    return repr(value)


def in_threads(function):
    """Return what `THREADS` threads that start together return: the function's results for their numbers."""
    barrier = Barrier(THREADS)

    def work(thread):
        barrier.wait()
        return [function(thread + THREADS * call) for call in range(CALLS)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # so that threads are interrupted in between
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(work, range(THREADS)))
    finally:
        sys.setswitchinterval(interval)


@pytest.fixture(autouse=True)
def one_thread_of_torch():
    """Sums of several threads of torch are in the order of one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_every_public_name_is_called():
    assert CASES.keys() | NOT_CALLED == photism._MODULES.keys()


SLOW = {
    "TextToAudioPipeline",  # calls AudioLDM2Pipeline
    "AutoModel",  # load as AutoModelForCTC does
    "AutoModelForAudioClassification",
    "AutoModelForAudioFrameClassification",
    "AutoModelForAudioXVector",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES]
)
def test_four_threads_get_the_results_of_one(name, request):
    call = CASES[name](request.getfixturevalue)

    def result(number):
        return frozen(call(number))

    together = in_threads(result)
    expected = [[result(thread + THREADS * each) for each in range(CALLS)] for thread in range(THREADS)]
    assert together == expected


def test_generators_of_images_that_are_consumed_in_turns(models):
    pipeline = photism.AudioToImagePipeline.from_pretrained(models / "sd", scheduler="dpm++", device="cpu")
    recordings = [photism.Waveform(noise(number)) for number in range(4)]

    def stream(seed):
        return pipeline.stream(recordings, seed=seed, num_inference_steps=3, batch_size=1)

    expected = [[frozen(output) for output in stream(seed)] for seed in (0, 7)]
    with ThreadPoolExecutor(2) as pool:
        first, second = stream(0), stream(7)
        pairs = [list(pool.map(next, (first, second))) for _ in recordings]
    assert [[frozen(pair[index]) for pair in pairs] for index in (0, 1)] == expected


def test_models_are_loaded_one_after_another(models, monkeypatch):
    """Check the tying of weights, which transformers switches off for the whole process while it loads a model."""
    from transformers import PreTrainedModel, initialization

    loading, overlapping = [], []
    no_tie_weights, tie_weights = initialization.no_tie_weights, PreTrainedModel.tie_weights

    @contextmanager
    def watched():
        overlapping.extend(loading)
        loading.append(1)
        with no_tie_weights():
            time.sleep(0.05)  # lets the other threads in
            yield
        loading.pop()

    monkeypatch.setattr(initialization, "no_tie_weights", watched)
    loads = [
        lambda: photism.AudioToImagePipeline.from_pretrained(models / "sd", device="cpu"),
        lambda: photism.AudioLDM2Pipeline.from_pretrained(device="cpu").text_encoder_2,
        lambda: photism.AudioClassifier.from_pretrained(device="cpu"),
        lambda: photism.AudioPromptEncoder.from_pretrained(models / "sd"),
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        loaded = [each.result() for each in [pool.submit(load) for load in loads]]
    assert not overlapping
    assert PreTrainedModel.tie_weights is tie_weights
    assert loaded[1].encoder.embed_tokens.weight is loaded[1].shared.weight
