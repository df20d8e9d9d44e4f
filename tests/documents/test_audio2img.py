"""The code of audio2img (https://github.com/kardSIM/audio2img): README, app.py, pipeline.py and training notebook."""

import numpy as np
import pytest
import torch
import transformers
from diffusers import StableDiffusionPipeline
from PIL import Image

from photism import AudioToImagePipeline, InputError, Wav2Vec2BertFeatureExtractor, Wav2Vec2BertModel
from photism.prompts.losses import sequence_contrastive_loss
from tests.documents.conftest import run
from tests.support.hub_cache import AUDIO2IMG
from tests.support.tiny_checkpoint import WIDTH

STEPS = {"num_inference_steps": 2}

APP = """
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel
from diffusers import StableDiffusionPipeline
from PIL import Image
import torch

from pipeline import AudioToImagePipeline

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
pipeline = AudioToImagePipeline(
    audio_encoder=Wav2Vec2BertModel.from_pretrained('youzarsif/wav2vec2bert_2_diffusion'),
    feature_extractor=SeamlessM4TFeatureExtractor.from_pretrained('youzarsif/wav2vec2bert_2_diffusion', stride=2),
    diffusion_pipeline=StableDiffusionPipeline.from_pretrained("stabilityai/stable-diffusion-2-1"),
    device=device
)

def generate_image(audio_file):
    image = pipeline(audio_file)
    return image
"""
LOAD_MODEL = """
from transformers import Wav2Vec2BertModel

model = Wav2Vec2BertModel.from_pretrained(
    "facebook/w2v-bert-2.0",
    add_adapter=True,
    adapter_kernel_size=3,
    adapter_stride=2,
    num_adapter_layers=2,
    layerdrop=0.0,
    )
"""
FEATURES = """
from transformers import SeamlessM4TFeatureExtractor
feature_extractor = SeamlessM4TFeatureExtractor.from_pretrained("facebook/w2v-bert-2.0",stride = 2)
features = feature_extractor(waveform, sampling_rate=16000, return_tensors="pt", truncation=True, padding='max_length', max_length=375)
"""  # noqa: E501
LOSS = """
import torch
import torch.nn.functional as F

def Contrastive_loss(embeddings1, embeddings2, temperature=0.15):
    cos_sim = torch.cosine_similarity(embeddings1.unsqueeze(1), embeddings2.unsqueeze(0), dim=-1)
    cos_sim = cos_sim / temperature
    labels = torch.arange(embeddings1.size(0)).unsqueeze(1).repeat(1, embeddings1.size(1)).to(embeddings1.device)
    loss = F.cross_entropy(cos_sim, labels)
    return loss
"""
# `num_items_in_batch` is today's signature in transformers; the notebook of 2024 has none.
TRAINER = """
from transformers import Trainer

class TrainBert(Trainer):
    def __init__(self,*args,**kwargs):
        super().__init__(*args,**kwargs)
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("text_embeddings")
        outputs = model(**inputs)
        outputs=outputs.last_hidden_state
        loss = Contrastive_loss(outputs, labels)
        outputs = (loss, outputs)
        return outputs if return_outputs else loss
"""
TRAINING = """
from dataclasses import dataclass
from transformers import TrainingArguments

@dataclass
class DataCollator:

    def __call__(self, features):
        input_features = [torch.tensor(feature["input_features"], dtype=torch.float32) for feature in features]
        attention_mask = [torch.tensor(feature["attention_mask"], dtype=torch.float32) for feature in features]
        label_features = [torch.tensor(feature["label"], dtype=torch.float32) for feature in features]

        batch = {
            "input_features": torch.stack(input_features),
            "attention_mask": torch.stack(attention_mask),
            "text_embeddings": torch.stack(label_features)[:, 1:, :]
        }

        return batch
data_collator = DataCollator()

training_args = TrainingArguments(
  output_dir="train/w2v-bert_sd_conditioning",
  per_device_train_batch_size=8,
  per_device_eval_batch_size=8,
  gradient_accumulation_steps=16,
  gradient_checkpointing=True,
  learning_rate=2e-5,
  label_names =["text_embeddings"],
  max_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
)
trainer = TrainBert(
    model=model,
    data_collator=data_collator,
    args=training_args,
    train_dataset=train_subset,
    eval_dataset=test_subset,
)
"""


def image_of(image) -> np.ndarray:
    return np.asarray(image, np.int16)


@pytest.fixture(scope="module")
def parts():
    """Return the model, the feature extractor and the diffusion pipeline of app.py, of other libraries."""
    encoder = transformers.Wav2Vec2BertModel.from_pretrained(AUDIO2IMG)
    extractor = transformers.SeamlessM4TFeatureExtractor.from_pretrained(AUDIO2IMG, stride=2)
    return encoder, extractor, StableDiffusionPipeline.from_pretrained("stabilityai/stable-diffusion-2-1")


@pytest.fixture(scope="module")
def pipeline(parts):
    encoder, extractor, diffusion = parts
    return AudioToImagePipeline(
        audio_encoder=encoder, feature_extractor=extractor, diffusion_pipeline=diffusion, device="cpu"
    )


def test_app_draws_what_the_same_checkpoint_draws(recordings, tmp_path):
    """The last line works as written too: the output saves its image."""
    names = run(APP, changed=True)
    assert type(names["pipeline"].encoder.encoder) is Wav2Vec2BertModel
    output = names["pipeline"](str(recordings[0]), seed=0, **STEPS)
    whole = AudioToImagePipeline.from_pretrained(AUDIO2IMG, device="cpu")
    wanted = whole(recordings[0], seed=0, **STEPS)
    np.testing.assert_array_equal(image_of(output.images[0][0]), image_of(wanted.images[0][0]))
    torch.testing.assert_close(output.prompts.prompt_embeds, wanted.prompts.prompt_embeds)
    assert output.settings == wanted.settings
    assert output.settings.negative == "noise"
    output.save(tmp_path / "rain.png")
    np.testing.assert_array_equal(image_of(Image.open(tmp_path / "rain.png")), image_of(wanted.images[0][0]))


def test_parts_of_transformers_are_taken_and_stay_as_they_are(parts, pipeline, recordings):
    encoder, _, diffusion = parts
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    assert pipeline(recordings[0], **STEPS).prompts.prompt_embeds.shape == (1, 48, WIDTH)
    assert pipeline.diffusion is diffusion
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    ours, theirs = (module.encoder.layers[0].ffn1.output_dense.weight for module in (pipeline.encoder.encoder, encoder))
    assert ours.data_ptr() == theirs.data_ptr()  # no second copy of the weights
    assert ours is not theirs


def test_the_steps_and_the_guidance_scale_are_those_of_the_diffusion_pipeline(pipeline):
    assert (pipeline.num_inference_steps, pipeline.guidance_scale) == (50, 7.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio_encoder": None}, "the parts must be encoder and diffusion, or audio_encoder, feature_extractor"),
        ({"diffusion_pipeline": None}, "the parts must be"),
        ({"audio_encoder": "youzarsif/x"}, "audio_encoder must be a Wav2Vec2BertModel; got str"),
        ({"feature_extractor": None}, "feature_extractor must be a SeamlessM4TFeatureExtractor of 80 mel bins"),
        ({"device": "no"}, "device must be one of this machine"),
    ],
)
def test_a_part_that_is_missing_or_wrong_is_named(parts, changes, message):
    given = dict(zip(("audio_encoder", "feature_extractor", "diffusion_pipeline"), parts, strict=True))
    with pytest.raises(InputError, match=message):
        AudioToImagePipeline(**(given | {"device": "cpu"} | changes))


def test_an_encoder_without_the_adapter_and_one_in_the_wrong_place_are_refused(parts):
    encoder, extractor, diffusion = parts
    bare = Wav2Vec2BertModel.from_pretrained("facebook/w2v-bert-2.0")
    with pytest.raises(InputError, match=r"must have the adapter of audio2img, \{'add_adapter': True"):
        AudioToImagePipeline(audio_encoder=bare, feature_extractor=extractor, diffusion_pipeline=diffusion)
    with pytest.raises(InputError, match="encoder must be an AudioPromptEncoder; got Wav2Vec2BertModel"):
        AudioToImagePipeline(encoder, diffusion)


@pytest.mark.parametrize("name", ["wav2vec2bert_2_diffusion", "wav2vec2bert_2_diffusion_ckpt_1728"])
def test_the_published_names_load_as_the_bare_model(name, parts):
    code = f"from transformers import Wav2Vec2BertModel\nmodel = Wav2Vec2BertModel.from_pretrained('youzarsif/{name}')"
    model = run(code, changed=True)["model"]
    features = torch.randn(1, 188, 160)
    with torch.no_grad():
        ours, theirs = (each(features).last_hidden_state for each in (model, parts[0]))
    assert ours.shape == (1, 47, WIDTH)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_model_of_the_notebook_has_an_adapter_of_47_tokens():
    model = run(LOAD_MODEL, changed=True)["model"]
    assert type(model) is Wav2Vec2BertModel
    assert model.config.layerdrop == 0.0
    with torch.no_grad():
        assert model(torch.zeros(2, 188, 160)).last_hidden_state.shape == (2, 47, WIDTH)


def test_the_features_of_the_notebook_are_those_of_transformers():
    waveform = torch.randn(1, 80_000, generator=torch.Generator().manual_seed(0))  # as torchaudio.load returns it
    ours = run(FEATURES, changed=True, waveform=waveform)
    theirs = run(FEATURES, waveform=waveform)
    assert type(ours["feature_extractor"]) is Wav2Vec2BertFeatureExtractor
    for key in ("input_features", "attention_mask"):
        torch.testing.assert_close(ours["features"][key], theirs["features"][key], rtol=0, atol=1e-3)


def test_the_loss_of_the_notebook_is_ours():
    noise = torch.Generator().manual_seed(0)
    audio, text = (torch.randn(4, 47, WIDTH, generator=noise) for _ in range(2))
    torch.testing.assert_close(run(LOSS)["Contrastive_loss"](audio, text), sequence_contrastive_loss(audio, text))


def test_the_trainer_of_the_notebook_trains_our_model():
    model = run(LOAD_MODEL, changed=True)["model"]
    theirs = run(LOAD_MODEL)["model"]
    theirs.load_state_dict(model.state_dict())
    noise = np.random.default_rng(0)
    rows = [
        {"input_features": noise.standard_normal((188, 160)), "attention_mask": [1] * 188, "label": label}
        for label in noise.standard_normal((4, 48, WIDTH))
    ]
    before = model.adapter.layers[0].residual_conv.weight.detach().clone()
    losses = []
    for each in (theirs, model):
        trainer = run(LOSS + TRAINER + TRAINING, model=each, train_subset=rows, test_subset=rows)["trainer"]
        losses.append(trainer.evaluate()["eval_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    trainer.train()
    assert not torch.equal(model.adapter.layers[0].residual_conv.weight, before)
