"""Stage 3: the vocoder goes on against an adversary, who learns to tell what it makes from real sound.

    python recipes/tiny_sound/adversary.py [--steps N]

Judges look at the waveform folded by several periods (HiFi-GAN, arXiv 2010.05646) and at its spectra of several
resolutions (UnivNet, arXiv 2106.07889), each by least squares. The vocoder is also to bring about in them what real
sound does, layer by layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from targets import SAMPLING_RATE
from torch import Tensor, nn
from torch.func import functional_call
from training import Training, best_device, load_averaged
from transformers import SpeechT5HifiGan
from vocoder import VocoderBatches, build_vocoder, differences, load_vocoder

NAME = "sound-adversary"
PERIODS = (2, 3, 5, 7, 11)
"""Samples."""

SPECTRA = tuple(milliseconds * SAMPLING_RATE // 1000 for milliseconds in (16, 32, 64))
"""Windows, samples."""

WIDTHS = (16, 32, 64, 128)
SLOPE = 0.1
LIKENESS_WEIGHT = 15.0
"""Of the spectral and log-mel differences that the vocoder learnt from before."""

FEATURE_WEIGHT = 2.0


class Judge(nn.Module):
    """2D convolutions of a picture of the waveform, each of which halves or thirds its height."""

    def __init__(self, kernel: tuple[int, int], stride: int) -> None:
        super().__init__()
        widths = (1, *WIDTHS)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, kernel, (stride, 1), (kernel[0] // 2, kernel[1] // 2))
            for before, after in pairwise(widths)
        )
        self.verdict = nn.Conv2d(WIDTHS[-1], 1, (3, kernel[1]), padding=(1, kernel[1] // 2))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(B, 1, height, width) -> what each layer makes of it, the verdict last."""
        found: list[Tensor] = []
        for layer in self.layers:
            picture = F.leaky_relu(layer(picture), SLOPE)
            found.append(picture)
        return [*found, self.verdict(picture)]


class Adversary(nn.Module):
    """All judges."""

    def __init__(self) -> None:
        super().__init__()
        self.of_periods = nn.ModuleList(Judge((5, 1), 3) for _ in PERIODS)
        self.of_spectra = nn.ModuleList(Judge((5, 3), 2) for _ in SPECTRA)

    def forward(self, waveforms: Tensor) -> list[list[Tensor]]:
        """(B, T) -> what each judge makes of them."""
        found: list[list[Tensor]] = []
        for period, judge in zip(PERIODS, self.of_periods, strict=True):
            whole = waveforms[:, : waveforms.shape[1] // period * period]
            found.append(judge(whole.unflatten(1, (-1, period))[:, None]))
        for size, judge in zip(SPECTRA, self.of_spectra, strict=True):
            window = torch.hann_window(size, device=waveforms.device)
            spectrum = torch.stft(waveforms, size, size // 4, window=window, return_complex=True).abs()
            found.append(judge(spectrum.clamp(min=1e-3).log()[:, None]))
        return found


class Contest(nn.Module):
    """Both sides, trained at once: each learns from the other as it is."""

    def __init__(self, vocoder: SpeechT5HifiGan) -> None:
        super().__init__()
        self.vocoder, self.adversary = vocoder, Adversary()

    def losses(self, heard: Tensor, wanted: Tensor) -> Mapping[str, Tensor]:
        """Of log-mels (B, frames, bins) and the waveforms (B, T) that they are of."""
        made = self.vocoder(heard)[:, : wanted.shape[1]]  # which is a few samples longer
        real, fake = self.adversary(wanted), self.adversary(made.detach())
        told = sum(((1 - r[-1]) ** 2).mean() + (f[-1] ** 2).mean() for r, f in zip(real, fake, strict=True))
        # The same judges, but they do not learn from what the vocoder is after.
        fixed = {name: parameter.detach() for name, parameter in self.adversary.named_parameters()}
        seen: list[list[Tensor]] = functional_call(self.adversary, fixed, (made,))
        fooled = sum(((1 - each[-1]) ** 2).mean() for each in seen)
        unlike = sum(
            F.l1_loss(one, other.detach())
            for each, truth in zip(seen, real, strict=True)
            for one, other in zip(each[:-1], truth[:-1], strict=True)
        )
        spectral, mel = differences(made, wanted)
        loss = told + fooled + FEATURE_WEIGHT * unlike + LIKENESS_WEIGHT * (spectral + 2 * mel)
        return {"loss": loss, "told": told, "fooled": fooled, "unlike": unlike, "spectral": spectral, "mel": mel}


def load_contested() -> SpeechT5HifiGan:
    """The vocoder that came out of it."""
    contest = Contest(build_vocoder())
    load_averaged(NAME, contest)
    return contest.vocoder.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    arguments = parser.parse_args()

    device = best_device()
    batches = VocoderBatches()
    torch.manual_seed(0)
    contest = Contest(load_vocoder().train().requires_grad_(True)).to(device)
    training = Training(
        NAME, contest, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.995, max_grad_norm=50.0
    )

    def loss_function(generator: torch.Generator) -> Mapping[str, Tensor]:
        heard, wanted = batches.draw(arguments.batch_size, generator)
        return contest.losses(heard.to(device), wanted.to(device))

    training.run(loss_function)


if __name__ == "__main__":
    main()
