"""Settings of speech recognition: decoding, long recordings, and streaming, without torch and numpy."""

from __future__ import annotations

from pathlib import Path

from photism.audio.sampling import sampling_rate_setting
from photism.device import device_setting, dtype_setting, precision_setting
from photism.listening.settings import batch_size_setting, num_workers_setting
from photism.listening.transcription.kenlm_model import read_language_model
from photism.listening.transcription.ngram_lm import LanguageModel
from photism.settings import SettingError, setting, settings

DEFAULT_BEAMS = 100
"""Beam width with hot words or a language model."""


@settings(group="decoding")
class DecodingSettings:
    """Settings of the decoder, which turns log-probabilities into text."""

    beams: int | None = setting(
        None,
        "Beam width, the number of hypotheses that the search keeps; 1 is greedy decoding. Default: 1, or 100 with hot "
        "words or a language model.",
        minimum=1,
        field_maximum=1000,
    )
    hot_words: tuple[str, ...] = setting(
        (),
        "Word or name to favour, in any case; may be given several times.",
        flag="--hot-word",
        metavar="WORD",
    )
    hot_word_weight: float = setting(
        8.0, "Bonus for each occurrence of a hot word, added to the log-probability of a text."
    )
    language_model: LanguageModel | str | Path | None = setting(
        None,
        "N-gram language model of words: an ARPA file, .arpa or .arpa.gz, or a binary file of KenLM, which needs "
        "photism[kenlm]. Default: that of the checkpoint, if it has one and --beams is not 1.",
        flag="--lm",
        metavar="FILE",
        parse=read_language_model,
        is_field=False,
    )
    language_model_weight: float | None = setting(
        None,
        "Weight of the language model's log-probabilities. Default: that of the checkpoint's own, otherwise 0.5.",
        flag="--lm-weight",
    )
    word_score: float | None = setting(
        None,
        "Bonus for each word, added to the log-probability if there is a language model. Default: that of the "
        "checkpoint's own, otherwise 1.5.",
    )

    def check(self) -> None:
        """Check the hot words and the beam width.

        Raises:
            SettingError: `hot_words` is a single text, or greedy decoding is combined with what needs a search.
        """
        if isinstance(self.hot_words, str):
            raise SettingError("hot_words", f"must be a list of words; got one text: give [{self.hot_words!r}]")
        if self.beams == 1 and self._needs_search:
            problem = "must be at least 2 with hot words or a language model; got 1"
            raise SettingError("beams", problem, values={"minimum": 2})

    @property
    def beam_width(self) -> int:
        """Beam width of the search."""
        return self.beams or (DEFAULT_BEAMS if self._needs_search else 1)

    @property
    def is_greedy(self) -> bool:
        """True if the most probable token of each frame is taken, without a search."""
        return self.beam_width == 1

    @property
    def _needs_search(self) -> bool:
        return bool(self.hot_words) or self.language_model is not None


@settings(group="decoding")
class EmissionSettings:
    """Settings of the model's computation on whole recordings."""

    vad: bool = setting(False, "Process detected speech only, and cut long recordings in silences.")
    window_s: float | None = setting(
        None,
        "Length of the overlapping windows of a longer recording. Default: windows of 60 s with Wav2Vec2-BERT and 30 s "
        "otherwise, only for recordings that do not fit into memory at once.",
        unit="seconds",
        above=0,
        field_minimum=1,
        flag="--window",
    )
    batch_size: int = batch_size_setting()
    num_workers: int = num_workers_setting()


@settings
class TranscribeSettings(EmissionSettings, DecodingSettings):
    """Settings of the transcription of whole recordings."""


@settings(group="decoding")
class StreamingSettings:
    """Settings of streaming recognition.

    Every `step_s` seconds a window is transcribed: the new seconds, `context_s` before and `lookahead_s` after them.
    Each window is encoded like a recording of its own, so the model computes (context_s + step_s + lookahead_s) /
    step_s times as much as for the whole recording.
    """

    step_s: float = setting(
        2.0, "Time between two updates of a live transcript.", unit="seconds", above=0, flag="--step"
    )
    lookahead_s: float = setting(
        1.0,
        "Audio after a word that the model sees before the word becomes final in a live transcript.",
        unit="seconds",
        minimum=0,
        flag="--lookahead",
    )
    context_s: float = setting(
        6.0, "Audio before the new seconds that the model sees again.", unit="seconds", minimum=0, is_flag=False
    )
    sampling_rate: float | None = sampling_rate_setting()

    @property
    def delay_s(self) -> float:
        """Maximum time until the log-probabilities of a frame are final, without the time to compute a window.

        A word is final when it has ended: at the space before the next word or a pause of 1 s; with a beam search, at a
        pause of 0.4 s, or after 15 s.
        """
        return self.step_s + self.lookahead_s


@settings(group="model")
class RecognizerModelSettings:
    """Model of speech recognition."""

    model: str | None = setting(
        None,
        "Folder or hub id of a CTC checkpoint: Wav2Vec2-BERT, wav2vec2, XLSR, HuBERT and similar. Required: none is "
        "bundled.",
        metavar="FOLDER|ID",
    )
    device: str | None = device_setting()
    dtype: str = dtype_setting()
    precision: str = precision_setting()
    int8: bool = setting(False, "Short for --precision int8.", group="speed")
    language: str | None = setting(
        None,
        "Language of a checkpoint with an adapter for each of several, such as fra of facebook/mms-1b-all. Default: "
        "that of its weights.",
        metavar="CODE",
    )
