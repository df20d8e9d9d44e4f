"""Generated sounds, each with its waveform and a player, as HTML for notebooks."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from photism.audio.waveform_html import waveform_html
from photism.display.markup import NOTHING, block, limit_note, note, text
from photism.display.playable import MAX_PLAYED_S

MAX_SOUNDS = 8
"""Sounds that are shown: the first ones."""


def output_html(audios: Any, sampling_rate: int, seeds: list[int] | None, scores: list[list[float]] | None) -> str:
    """Return the first eight sounds, whose players hold a minute together, with their seeds and scores.

    Args:
        audios: (N, T) or (N, C, T), array or tensor; latents (N, C, F, W) are described by their shape.
        sampling_rate: in Hz.
        seeds: seed of each sound.
        scores: scores of the sounds of each prompt, if they were ranked.
    """
    if len(audios.shape) == 4:
        return block(note(f"Latents of shape {tuple(audios.shape)}, which have no sound yet."))
    if not len(audios):
        return block(note(NOTHING))
    ranked = None if scores is None else list(chain.from_iterable(scores))
    played_s = MAX_PLAYED_S / min(len(audios), MAX_SOUNDS)
    shown: list[str] = []
    for number, audio in enumerate(audios[:MAX_SOUNDS]):
        about = f"sound {number}" + ("" if seeds is None else f", seed {seeds[number]}")
        about += "" if ranked is None else f", score {ranked[number]:.3f}"
        samples = np.asarray(audio.float().cpu() if hasattr(audio, "cpu") else audio)
        shown.append(f"<div>{text(about)}</div>{waveform_html(samples, sampling_rate, name=about, played_s=played_s)}")
    return block(*shown, note(limit_note(len(shown), len(audios), "sounds")))
