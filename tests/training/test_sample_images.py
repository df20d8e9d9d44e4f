import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTextConfig, CLIPVisionConfig

from photism.errors import InputError
from photism.training.sample_images import clip_score
from tests.support.tiny_checkpoint import make_tokenizer


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny CLIP model with random weights."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = make_tokenizer(folder / "words", 77)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8))
    model.save_pretrained(folder / "clip")
    sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**sizes), tokenizer).save_pretrained(folder / "clip")
    return folder / "clip"


def test_clip_score_is_the_mean_cosine(clip):
    noise = np.random.default_rng(0)
    images = [Image.fromarray(noise.integers(0, 255, (40, 32, 3), dtype=np.uint8)) for _ in range(3)]
    captions = ["a koala", "rain", "the moon"]
    model, processor = CLIPModel.from_pretrained(clip), CLIPProcessor.from_pretrained(clip)
    cosines = []
    for picture, caption in zip(images, captions, strict=True):  # one by one, without padding
        with torch.no_grad():
            output = model(**processor(text=caption, images=picture, return_tensors="pt"))
        cosines.append(float(output.image_embeds[0] @ output.text_embeds[0]))
    found = clip_score(images, captions, str(clip))
    assert found == pytest.approx(100 * max(0, sum(cosines) / 3), abs=1e-3)
    with pytest.raises(InputError, match=r"must be the folder or hub id of a CLIP model; .*nothing cannot be loaded"):
        clip_score(images, captions, str(clip / "nothing"))
