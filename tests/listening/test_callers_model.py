"""A model that a caller brings comes back unchanged, can still be trained, and can be used by several threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import peft
import pytest
import torch
import transformers

from photism import AudioClassifier, AudioToImagePipeline, SpeakerVerifier, Waveform
from photism.encoder.heads import Wav2Vec2BertForCTC, Wav2Vec2BertForSequenceClassification
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.listening.transcription.ctc_checkpoint import load_ctc
from photism.listening.transcription.emissions import AcousticModel
from photism.listening.transcription.transcriber import Transcriber
from photism.listening.zero_shot import CaptionRanker
from tests.support.classifiers import NAMES, make_extractor, make_model
from tests.support.speaker_models import make_speaker_model

NEAR = {"rtol": 1e-5, "atol": 5e-6}
LENGTHS = (16_000, 9_000, 16_000, 12_345)


@pytest.fixture(scope="module")
def recordings():
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(length)).astype(np.float32) for length in LENGTHS]


def state(model):
    """Return everything of a model that a caller can notice a change of."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {
        "modules": [(name, id(module), type(module)) for name, module in model.named_modules()],
        "attributes": [(name, sorted(vars(module))) for name, module in model.named_modules()],
        "forward": [type(module).forward for module in model.modules()],
        "training": [module.training for module in model.modules()],
        "hooks": [
            [list(hooks) for attribute, hooks in sorted(vars(module).items()) if attribute.endswith("_hooks")]
            for module in model.modules()
        ],
        "tensors": [(name, id(tensor), tensor._version, tensor.requires_grad, tensor.grad) for name, tensor in tensors],
        "kinds": [(tensor.device, tensor.dtype, tensor.shape) for _, tensor in tensors],
        "keys": list(model.state_dict()),
        "config": model.config.to_dict() if hasattr(model.config, "to_dict") else vars(model.config).copy(),
    }


def classifier_model(name):
    if name.startswith("bert"):
        reference = make_model(name)
        model = Wav2Vec2BertForSequenceClassification(reference.config).eval()
        model.load_state_dict(reference.state_dict())
        return model
    return make_model(name).eval()


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
@pytest.mark.parametrize("name", [*NAMES, "conformer-rotary"])
def test_a_classifiers_model_is_unchanged_and_can_be_trained(name, recordings):
    kind = name.removesuffix("-rotary")
    model = make_model(kind, position_embeddings_type="rotary").eval() if kind != name else classifier_model(name)
    model.requires_grad_(True)
    before = state(model)
    classifier = AudioClassifier(model, make_extractor(kind))
    classifier(recordings)
    if classifier.transformers_classifier and classifier.transformers_classifier.is_paddable:
        classifier.transformers_classifier.pads = True
        classifier(recordings)
    assert state(model) == before

    inputs = classifier.extractor(recordings[0], sampling_rate=16_000, return_tensors="pt")
    model.train()
    logits = model(inputs[model.main_input_name]).logits
    torch.nn.functional.cross_entropy(logits, torch.tensor([1])).backward()
    head = [parameter for name, parameter in model.named_parameters() if name.startswith("classifier")]
    assert all(parameter.grad is not None for parameter in head)


def test_a_classifier_sees_what_the_caller_changes_afterwards(recordings):
    model = classifier_model("wav2vec2-base")
    classifier = AudioClassifier(model, make_extractor("wav2vec2-base"), top_k=None)
    before = classifier(recordings[0])
    with torch.no_grad():
        model.classifier.weight += 1
    assert classifier(recordings[0]) != before
    model.classifier = torch.nn.Linear(model.classifier.in_features, 7)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()
    assert [each["score"] for each in classifier(recordings[0])] == pytest.approx([1 / 7] * 7)


@pytest.mark.parametrize("pads", [False, True])
def test_classifiers_in_several_threads_share_a_model(recordings, pads):
    model = classifier_model("wav2vec2-base")
    batches = [recordings, recordings[:2], recordings[1:], recordings[::-1]]
    classifiers = [AudioClassifier(model, make_extractor("wav2vec2-base"), top_k=None) for _ in batches]
    for classifier in classifiers:
        classifier.transformers_classifier.pads = pads
    waveforms = [[Waveform(recording) for recording in batch] for batch in batches]
    wanted = [classifiers[0].logits(batch) for batch in waveforms]
    with ThreadPoolExecutor(len(batches)) as threads:
        for _ in range(5):
            found = list(threads.map(lambda one, batch: one.logits(batch), classifiers, waveforms))
            for logits, expected in zip(found, wanted, strict=True):
                torch.testing.assert_close(logits, expected, **NEAR)


@pytest.mark.parametrize("kind", ["w2v-bert", "wav2vec2", "xlsr", "hubert"])
def test_a_transcribers_model_is_unchanged_and_can_be_trained(ctc_checkpoints, kind, recordings):
    model_class = Wav2Vec2BertForCTC if kind == "w2v-bert" else transformers.AutoModelForCTC
    model = model_class.from_pretrained(ctc_checkpoints / kind).eval()
    loaded = load_ctc(ctc_checkpoints / kind, device="cpu", dtype=torch.float32)
    before = state(model)
    transcriber = Transcriber(AcousticModel.from_tokenizer(model, loaded.extractor, loaded.tokenizer))
    list(transcriber(recordings))
    transcriber(np.concatenate(recordings), window_s=1.0)
    assert state(model) == before
    inputs = loaded.extractor(recordings[0], sampling_rate=16_000, return_tensors="pt")
    model.train()(inputs[model.main_input_name]).logits.sum().backward()
    assert model.lm_head.weight.grad is not None


def test_a_verifiers_model_is_unchanged_and_can_be_trained(tmp_path, recordings):
    model = Wav2Vec2BertForXVector.from_pretrained(make_speaker_model(tmp_path, "XVector")).eval()
    before = state(model)
    SpeakerVerifier(model, make_extractor("bert")).embed(recordings)
    assert state(model) == before
    inputs = make_extractor("bert")(recordings[0], sampling_rate=16_000, return_tensors="pt")
    model.train()(inputs["input_features"]).logits.sum().backward()
    assert model.classifier.weight.grad is not None


@pytest.mark.parametrize("mode", ["training", "evaluation", "mixed"])
def test_a_ranker_and_a_pipeline_leave_encoder_and_diffusion_unchanged(models, recordings, mode):
    parts = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    encoder, diffusion = parts.encoder, parts.diffusion
    encoder.train(mode != "evaluation")
    if mode == "mixed":
        encoder.encoder.eval()  # a frozen encoder under an adapter that is trained
    encoder.requires_grad_(True)
    networks = [encoder, diffusion.unet, diffusion.vae, diffusion.text_encoder]
    before = [state(network) for network in networks]
    settings = {name: value for name, value in vars(diffusion).items() if isinstance(value, bool | int | float | str)}
    pipeline = AudioToImagePipeline(encoder, diffusion, num_inference_steps=2)
    pipeline(Waveform(recordings[0]), seed=0)
    CaptionRanker(encoder, diffusion, ["rain", "a dog"]).rank(Waveform(recordings[0]))
    assert [state(network) for network in networks] == before
    assert settings == {name: vars(diffusion)[name] for name in settings}
    assert not hasattr(diffusion, "_progress_bar_config")
    features, mask = encoder.extract_features([Waveform(recordings[0])])
    encoder(features, mask).prompt_embeds.sum().backward()
    assert any(parameter.grad is not None for parameter in encoder.parameters())


def by_label(scores):
    return {each["label"]: each["score"] for each in scores}


def test_adapters_of_a_peft_model_are_used(recordings):
    model = make_model("wav2vec2-base").eval()
    extractor = make_extractor("wav2vec2-base")
    without = by_label(AudioClassifier(model, extractor, top_k=None)(recordings[0]))
    lora = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj"], init_lora_weights=False)).eval()
    inputs = extractor(recordings[0], sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = lora(**inputs).logits.softmax(-1)[0].tolist()
    scores = by_label(AudioClassifier(lora, extractor, top_k=None)(recordings[0]))
    assert [scores[name] for name in without] != pytest.approx(list(without.values()), abs=1e-4)
    assert [scores[model.config.id2label[index]] for index in range(7)] == pytest.approx(expected, abs=5e-6)
