from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTextConfig, CLIPVisionConfig

from photism.errors import InputError
from photism.training.align.evaluation import Heard, clip_score, heat_map, measure
from tests.support.tiny_checkpoint import make_tokenizer


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of a few random weights."""
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
    pictures = [Image.fromarray(noise.integers(0, 255, (40, 32, 3), dtype=np.uint8)) for _ in range(3)]
    captions = ["a koala", "rain", "the moon"]
    model, processor = CLIPModel.from_pretrained(clip), CLIPProcessor.from_pretrained(clip)
    cosines = []
    for picture, caption in zip(pictures, captions, strict=True):  # one by one, without padding
        with torch.no_grad():
            output = model(**processor(text=caption, images=picture, return_tensors="pt"))
        cosines.append(float(output.image_embeds[0] @ output.text_embeds[0]))
    found = clip_score(pictures, captions, str(clip))
    assert found == pytest.approx(100 * max(0, sum(cosines) / 3), abs=1e-3)
    with pytest.raises(InputError, match=r"clip must be the folder or hub id of a CLIP; .*nothing cannot be loaded"):
        clip_score(pictures, captions, str(clip / "nothing"))


def test_measures_by_hand():
    # Three captions on three axes; sound 0 is right, sound 1 is taken for caption 0, sound 2 has two right captions.
    axes = torch.eye(3)[:, None]  # (3, 1, 3)
    targets = SimpleNamespace(captions=("one", "two", "three"), tokens=lambda numbers, count: axes[numbers][:, :count])
    tokens = torch.tensor([[[2.0, 0, 0]], [[1.0, 0.5, 0]], [[0, 0, 3.0]]])
    heard = Heard([0, 1, 2], tokens, None, [[0], [1], [1, 2]])
    found = measure(heard, targets)
    assert found["audio to text: R@1"] == pytest.approx(2 / 3)
    assert found["audio to text: R@5"] == 1
    assert found["audio to text: median rank"] == 1
    assert found["text to audio: R@1"] == pytest.approx(1)
    # Lengths of the differences: (1, 0, 0), (1, -.5, 0) and, from the first of its captions, (0, -1, 3).
    assert found["Euclidean distance"] == pytest.approx((1 + 1.25**0.5 + 10**0.5) / 3)
    assert found["mean squared error"] == pytest.approx((1 + 1.25 + 10) / 9)
    figure = heat_map(heard, targets)
    np.testing.assert_allclose(figure.axes[0].images[0].get_array()[0], [1, 0, 0], atol=1e-6)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["one", "two", "two"]
