"""A sound that is made of a text, to be drawn as if it had been recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from photism.cli.progress import progress_bar
from photism.cli.sound import SoundModel
from photism.errors import InputError


@dataclass(frozen=True)
class TextSound:
    """What is to be made.

    Attributes:
        text: what is to be heard.
        target: its file.
        sounder: what makes it.
    """

    text: str
    target: Path
    sounder: SoundModel

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
        """Reads --from-text and --sound-model before a model is loaded; None where no text is given.

        Raises:
            InputError: a recording is given too, or the sound's file is in somebody's way.
        """
        if text is None:
            if model is not None:
                raise InputError("--sound-model must be given together with --from-text")
            return None
        if sounds:
            raise InputError("SOUND and --from-text exclude each other; give one of them")
        from photism.audio.writing import check_audio_target
        from photism.audioldm2.dataset import caption_name

        folder = Path(output or ".")
        folder = folder if folder.is_dir() or str(output).endswith("/") else folder.parent
        target = folder / f"{caption_name(text)}.wav"
        check_audio_target(target, "-o", force=force)
        return cls(text, target, SoundModel(model=model, scheduler=None, device=device, dtype=dtype, offload="disk"))

    def make(self, *, seed: int) -> None:
        """Makes the sound and writes it.

        Raises:
            InputError: there is no model of that name.
        """
        pipeline = self.sounder.load()
        with progress_bar("sounding") as bar:
            made = pipeline(self.text, seed=seed, callback_on_step=bar.update)
        from photism.audio.writing import write_waveform

        about = {"text": self.text, "seed": seed, "model": self.sounder.model or "tiny"}
        write_waveform(made.audios[0], self.target, sampling_rate=made.sampling_rate, title=self.text, about=about)
