"""The flag --from-text of `draw`: generate a recording from text, and draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from photism.audioldm2.settings import SoundPipelineSettings
from photism.cli.progress import progress_bar
from photism.cli.sound import load_pipeline, write_sounds
from photism.errors import InputError


@dataclass(frozen=True)
class TextSound:
    """A recording to generate.

    Attributes:
        text: description of the sound.
        target: file to write.
        pipeline_settings: settings of the pipeline that generates it.
    """

    text: str
    target: Path
    pipeline_settings: SoundPipelineSettings

    @classmethod
    def read(
        cls,
        text: str | None,
        model: str | None,
        sounds: Sequence[str] | None,
        output: str | None,
        *,
        device: str | None,
        dtype: str,
        force: bool,
    ) -> TextSound | None:
        """Check --from-text and --sound-model before a model is loaded; return None without a text.

        Raises:
            InputError: recordings are given too, or the file exists or cannot be written.
        """
        if text is None:
            if model is not None:
                raise InputError("--sound-model needs --from-text")
            return None
        if sounds:
            raise InputError("SOUND and --from-text exclude each other; give one of them")
        from photism.audio.writing import check_audio_target
        from photism.audioldm2.dataset import caption_name

        folder = Path(output or ".")
        folder = folder if folder.is_dir() or str(output).endswith("/") else folder.parent
        target = folder / f"{caption_name(text)}.wav"
        check_audio_target(target, "-o", force=force)
        settings = SoundPipelineSettings(model=model, device=device, dtype=dtype, offload="disk")
        return cls(text, target, settings)

    def make(self, *, seed: int) -> None:
        """Generate the recording and write it.

        Raises:
            InputError: there is no such model.
        """
        pipeline = load_pipeline(self.pipeline_settings)
        with progress_bar("generating") as bar:
            generated = pipeline(self.text, return_dict=True, seed=seed, callback_on_step=bar.update)
        write_sounds(self.text, 0, [self.target], generated, pipeline)
