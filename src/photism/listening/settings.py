"""Settings of zero-shot ranking, classification, diarization and speaker verification, without torch and numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from photism.device import device_setting, dtype_setting
from photism.settings import REQUIRED, SettingError, setting, settings

ScoreFunction: TypeAlias = Literal["softmax", "sigmoid", "none"]

VectorKind: TypeAlias = Literal["prompt", "mean", "xvector"]
VECTOR_KINDS: tuple[VectorKind, ...] = get_args(VectorKind)
SCORE_FUNCTIONS: tuple[ScoreFunction, ...] = get_args(ScoreFunction)
FRAME_S = 0.025
"""Duration of a log-mel frame in seconds, the shortest window."""
CAPTION_FIELD = "{}"
"""Where a template takes the caption."""


def batch_size_setting() -> Any:
    """Declare the number of recordings, or windows, in a batch."""
    return setting(8, "Number of recordings, or windows, computed at once.", minimum=1, is_field=False, group="speed")


def num_workers_setting() -> Any:
    """Declare the number of decoding threads."""
    return setting(
        2,
        "Number of threads that decode recordings ahead of the model; 0 decodes each when it is needed.",
        minimum=0,
        flag="--workers",
        is_field=False,
        group="speed",
    )


def _top_k(description: str) -> Any:
    return setting(5, description, minimum=1)


def _window_s() -> Any:
    return setting(
        None,
        "Length of overlapping windows that are scored one by one. Default: score the whole recording.",
        unit="seconds",
        minimum=FRAME_S,
        flag="--window",
    )


def _hop_s() -> Any:
    return setting(
        None,
        "Time from the start of one window to the start of the next, at most the length of a window. Default: half "
        "of it.",
        unit="seconds",
        above=0,
        field_minimum=0.01,
        flag="--hop",
    )


def _check_hop(window_s: float | None, hop_s: float | None) -> None:
    if hop_s is None:
        return
    if window_s is None:
        raise SettingError("hop_s", "must be given together with {}", "window_s", code="needs-field")
    if hop_s > window_s:
        problem = f"must be at most {{}}, {window_s:g} s, or audio between windows is skipped; got {hop_s:g}"
        raise SettingError("hop_s", problem, "window_s", values={"maximum": window_s})


@settings(group="analysis")
class RankSettings:
    """Settings of zero-shot ranking of captions."""

    top_k: int | None = _top_k("Number of nearest captions to report.")
    template: str | None = setting(
        None, f'Text that each caption is put into before it is encoded, such as "the sound of a {CAPTION_FIELD}".'
    )
    batch_size: int = batch_size_setting()

    def check(self) -> None:
        """Check the template.

        Raises:
            SettingError: it has no field for the caption.
        """
        if self.template is not None and CAPTION_FIELD not in self.template:
            problem = f"must have {CAPTION_FIELD} where the caption goes; got {self.template!r}"
            raise SettingError("template", problem, code="no-caption-field")


@settings(group="analysis")
class HearSettings(RankSettings):
    """Settings of zero-shot ranking of captions, for whole recordings or over time."""

    window_s: float | None = _window_s()
    hop_s: float | None = _hop_s()
    threshold: float | None = setting(
        None, "Minimum score of a reported caption, from -1 to 1. Default: every caption is reported."
    )
    num_workers: int = num_workers_setting()

    def check(self) -> None:
        """Check the template and the windows.

        Raises:
            SettingError: the template has no field for the caption, or the hop exceeds the window.
        """
        RankSettings.check(self)
        _check_hop(self.window_s, self.hop_s)


@settings(group="analysis")
class CaptionSettings:
    """Captions to choose from."""

    label: tuple[str, ...] | None = setting(
        None,
        "Caption to choose from; may be given several times. Default: the model's own.",
        metavar="TEXT",
    )


@settings(group="analysis")
class ClassifierSettings:
    """Settings of audio classification."""

    top_k: int | None = _top_k("Number of best classes to report.")
    function_to_apply: ScoreFunction | None = setting(
        None,
        "Function that turns the model's logits into scores: softmax makes those of all classes sum to 1, sigmoid "
        "scores each class from 0 to 1 by itself, none reports the logits. Default: by the problem_type in the model's "
        "config.json.",
        choices=SCORE_FUNCTIONS,
        flag="--function",
    )
    batch_size: int = batch_size_setting()
    num_workers: int = num_workers_setting()


@settings(group="analysis")
class LabelSettings(ClassifierSettings):
    """Settings of audio classification, for whole recordings or over time."""

    window_s: float | None = _window_s()
    hop_s: float | None = _hop_s()
    threshold: float | None = setting(
        None, "Minimum score of a reported class. Default: 0.5 in windows of a multi-label model, otherwise none."
    )

    def check(self) -> None:
        """Check the windows.

        Raises:
            SettingError: the hop exceeds the window.
        """
        _check_hop(self.window_s, self.hop_s)


@settings(group="analysis")
class TimelineSettings:
    """Settings of diarization: how the activity of speakers becomes turns."""

    threshold: float = setting(0.5, "Minimum probability of a speaker in a frame of a turn.", above=0, below=1)
    min_on_s: float = setting(
        0.1,
        "Length below which a turn is dropped, after pauses are filled.",
        unit="seconds",
        minimum=0,
        flag="--min-on",
    )
    min_off_s: float = setting(
        0.1, "Length below which a pause within a turn is filled.", unit="seconds", minimum=0, flag="--min-off"
    )
    overlap: bool = setting(True, "Let turns of several speakers overlap; otherwise the most probable one speaks.")
    num_workers: int = num_workers_setting()


@settings(group="speed")
class EmbeddingSettings:
    """Settings of speaker embeddings."""

    batch_size: int = batch_size_setting()
    num_workers: int = num_workers_setting()


@settings(group="analysis")
class EmbedSettings(EmbeddingSettings):
    """Settings of vectors of recordings."""

    window_s: float | None = setting(
        None,
        "Length of overlapping windows that have a vector each. Default: one vector for the whole recording.",
        unit="seconds",
        minimum=FRAME_S,
        flag="--window",
    )
    hop_s: float | None = _hop_s()

    def check(self) -> None:
        """Check the windows.

        Raises:
            SettingError: the hop exceeds the window.
        """
        _check_hop(self.window_s, self.hop_s)


@settings(group="analysis")
class VerifySettings:
    """Settings of speaker verification."""

    enrolled: Path | None = setting(
        None, "File of enrolled speakers to compare the recording with.", metavar="FILE", is_field=False
    )
    threshold: float | None = setting(None, "Minimum score of the same speaker, from -1 to 1.", minimum=-1, maximum=1)
    calibration: Path | None = setting(
        None, "File written by photism speakers calibrate, whose threshold is used.", metavar="FILE", is_field=False
    )

    def check(self) -> None:
        """Check that there is one threshold.

        Raises:
            SettingError: there is none, or there are two.
        """
        if (self.threshold is None) == (self.calibration is None):
            raise SettingError("threshold", "or {} must be given, and not both", "calibration")


@settings(group="model")
class RankerModelSettings:
    """Models of zero-shot ranking."""

    model: str | None = setting(
        None, "Folder or hub id of a Photism model. Default: the bundled one.", metavar="FOLDER|ID"
    )
    diffusion: str | None = setting(
        None,
        "Folder or hub id of the diffusers pipeline whose text encoder is used. Default: the model's own.",
        metavar="FOLDER|ID",
    )
    device: str | None = device_setting()


@settings(group="model")
class ClassifierModelSettings:
    """Model of audio classification."""

    model: str | None = setting(
        None, "Folder or hub id of any audio classifier. Default: the bundled one.", metavar="FOLDER|ID"
    )
    device: str | None = device_setting()
    dtype: str = dtype_setting()


@settings(group="model")
class DiarizationModelSettings:
    """Model of diarization."""

    model: str = setting(
        REQUIRED, "Folder or hub id of a Wav2Vec2BertForAudioFrameClassification.", metavar="FOLDER|ID"
    )
    device: str | None = device_setting()
    dtype: str = dtype_setting()


@settings(group="model")
class EmbedModelSettings:
    """Model of vectors of recordings."""

    model: str | None = setting(
        None,
        "Folder or hub id of a Photism model or of any Wav2Vec2-BERT. Default: the bundled model.",
        metavar="FOLDER|ID",
    )
    kind: VectorKind | None = setting(
        None,
        "Kind of vectors: prompt compares recordings with texts, by a Photism model; mean is the mean over time of a "
        "layer of any Wav2Vec2-BERT; xvector compares speakers. Default: by the model.",
        choices=VECTOR_KINDS,
    )
    layer: int | None = setting(
        None,
        "Layer of the mean, as hidden_states are counted: 0 is the input of the first layer, -1 the output of the "
        "last. Default: the last.",
    )
    diffusion: str | None = setting(
        None,
        "Folder or hub id of the diffusers pipeline whose text encoder compares texts with the vectors of a Photism "
        "model. Default: the model's own.",
        metavar="FOLDER|ID",
    )
    device: str | None = device_setting()
    dtype: str = dtype_setting()

    def check(self) -> None:
        """Check that each setting is one of the kind.

        Raises:
            SettingError: there is a layer, or a diffusion pipeline, and the vectors are of another kind.
        """
        if self.layer is not None and self.kind not in (None, "mean"):
            raise SettingError("layer", f"needs {{}} mean; got {self.kind}", "kind")
        if self.diffusion is not None and self.kind not in (None, "prompt"):
            raise SettingError("diffusion", f"needs {{}} prompt; got {self.kind}", "kind")


@settings(group="model")
class XVectorModelSettings:
    """Model of speaker embeddings."""

    model: str = setting(REQUIRED, "Folder or hub id of a Wav2Vec2BertForXVector.", metavar="FOLDER|ID")
    device: str | None = device_setting()
    dtype: str = dtype_setting()
