"""Stage 3: train CLAP, whose text embeddings condition the UNet, and which ranks candidates.

python -m recipes.tiny_sound.clap [--steps N]
"""

from __future__ import annotations

import argparse
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from recipes.tiny.train_text_encoder import contrastive_loss
from recipes.tiny.training import Training, autocast, batch_of, best_device, load_averaged
from recipes.tiny_sound.autoencoder import MEL_BINS
from recipes.tiny_sound.targets import SAMPLING_RATE, WINDOW_SAMPLES, read_targets
from recipes.tiny_sound.texts import CLAP_WIDTH, MAX_LETTERS, clap_tokenizer, seeded_choice, tokenize_letters, wording

NAME = "sound-clap"
SPEC_SIDE = 128  # the spectrogram as a square, the second half of its frames below the first
CLAP_HOP = 128  # samples, so that a window has at most as many frames as the square holds
FEATURE_NOISE_DB = 6.0


def build_extractor() -> ClapFeatureExtractor:
    return ClapFeatureExtractor(
        feature_size=MEL_BINS,
        sampling_rate=SAMPLING_RATE,
        hop_length=CLAP_HOP,
        max_length_s=WINDOW_SAMPLES / SAMPLING_RATE,
        fft_window_size=1024,
        frequency_min=0,
        frequency_max=SAMPLING_RATE // 2,
        truncation="rand_trunc",
        padding="repeatpad",
    )


def build_clap() -> ClapModel:
    text = {
        "vocab_size": len(clap_tokenizer()),
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_LETTERS + 2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    audio = {
        "spec_size": SPEC_SIDE,
        "window_size": 8,
        "num_mel_bins": MEL_BINS,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 32,
        "hidden_size": 128,
        "depths": [1, 1, 1],
        "num_attention_heads": [2, 4, 8],
        "num_hidden_layers": 3,
        "enable_fusion": False,
        "hidden_dropout_prob": 0.0,
    }
    return ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=CLAP_WIDTH))


def load_clap() -> ClapModel:
    model = build_clap()
    load_averaged(NAME, model)
    return model.eval().requires_grad_(False)


@cache
def read_features() -> Tensor:
    """Return the input features of CLAP's audio tower for each target: float32 (N, 1, frames, bins)."""
    extractor = build_extractor()
    return torch.cat(
        [
            extractor(list(some.numpy()), sampling_rate=SAMPLING_RATE, return_tensors="pt").input_features
            for some in read_targets()[1].split(64)
        ]
    )


def embed_texts(model: ClapModel, letters: dict[str, Tensor]) -> Tensor:
    """Return the text embeddings (B, P), of length 1."""
    return F.normalize(model.get_text_features(**letters).pooler_output.float(), dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()

    device = best_device()
    targets, features = read_targets()[0], read_features()
    effect_captions = {target.caption for target in targets if target.is_effect}
    torch.manual_seed(0)
    model = build_clap().to(device)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.99)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        chosen, choice = batch_of(len(targets), arguments.batch_size, generator), seeded_choice(generator)
        texts = [wording(targets[i], choice, is_only=targets[i].caption not in effect_captions) for i in chosen]
        inputs = features[chosen].roll(int(torch.randint(features.shape[2], (), generator=generator)), 2)
        inputs = inputs + FEATURE_NOISE_DB * torch.randn(inputs.shape, generator=generator)
        letters = {name: tensor.to(device) for name, tensor in tokenize_letters(texts).items()}
        with autocast(device):
            text = embed_texts(model, letters)
            audio = model.get_audio_features(input_features=inputs.to(device)).pooler_output
        logits = model.logit_scale_t.clamp(max=4.6).exp() * text @ F.normalize(audio.float(), dim=-1).T
        loss = contrastive_loss(logits, chosen.to(device))
        accuracy = (logits.argmax(1).cpu() == torch.arange(len(chosen))).float().mean()
        return {"loss": loss, "accuracy": accuracy}

    training.run(loss_function)


if __name__ == "__main__":
    main()
