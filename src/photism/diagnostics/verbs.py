"""What each verb needs: libraries of the package and of an extra, and a model."""

from __future__ import annotations

from photism.diagnostics.check import Check
from photism.extras import extras, install_command

MODEL, SOUND_MODEL = "bundled model", "bundled sound"
CORE_VERBS = ("draw", "film", "hear")
"""Verbs that make `photism doctor` succeed if they work."""

NEEDS: dict[str, tuple[str, str | None]] = {
    "draw": ("", MODEL),
    "film": ("", MODEL),
    "hear": ("", MODEL),
    "live": ("live", MODEL),
    "label": ("", None),
    "speakers": ("", None),
    "transcribe": ("", None),
    "embed": ("", MODEL),
    "index": ("collection", MODEL),
    "search": ("collection", MODEL),
    "sound": ("", SOUND_MODEL),
    "align": ("train", None),
    "finetune": ("train", None),
    "export": ("export", None),
    "serve": ("server", MODEL),
    "--ray": ("cluster", None),
}
"""The extra and the bundled model that each verb needs; "" for libraries of the package alone."""

UNBUNDLED = {
    "speakers": "--model, a Wav2Vec2BertForAudioFrameClassification or Wav2Vec2BertForXVector",
    "transcribe": "--model, such as facebook/wav2vec2-base-960h",
}
"""Verbs for which no model is bundled, and what to give them."""

FOR_FLAGS = {
    "collection": ("datasets", "fsspec", "matplotlib", "scikit-learn", "webdataset"),
    "train": ("datasets", "jiwer", "peft", "pyyaml", "webdataset"),
}
"""Libraries of an extra that verbs need for some of their flags and inputs only."""


def check_verb(verb: str, parts: dict[str, Check]) -> Check:
    """Return whether a verb can be used, by the checks of libraries and models."""
    extra, model = NEEDS[verb]
    needed = [
        name for name in (*extras().get("", ()), *extras().get(extra, ())) if name not in FOR_FLAGS.get(extra, ())
    ]
    for name in (*needed, *([model] if model else [])):
        if name in parts and not parts[name].works:
            # Several extras may have the library; the one of the verb has all that the verb needs.
            remedy = install_command(extra) if name in extras().get(extra, ()) else parts[name].remedy
            return Check(verb, False, f"needs {name}", remedy)
    if extra and extra not in extras():
        return Check(verb, False, f"needs the extra {extra}", install_command(extra))
    if verb in UNBUNDLED:
        return Check(verb, True, f"needs {UNBUNDLED[verb]}")
    return Check(verb, True, "ready")
