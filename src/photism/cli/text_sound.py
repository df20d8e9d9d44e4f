"""The flag --from-text of `draw`: generate a recording from text, and draw it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from photism.audioldm2.settings import SoundPipelineSettings
from photism.cli.progress import progress_bar
from photism.cli.sound import load_pipeline
from photism.errors import InputError
from photism.output_files import create_folder
from photism.prompts.settings import PipelineSettings
from photism.settings import SettingError, setting, settings


@settings(group="input")
class TextSound:
    """A recording to generate."""

    from_text: str | None = setting(
        None, "Generate a sound from this text, write it to TEXT.wav, and draw it.", metavar="TEXT"
    )
    sound_model: str | None = setting(
        None,
        "AudioLDM 2 that generates the sound of --from-text. Default: the bundled one.",
        metavar="FOLDER|ID",
        group="model",
    )

    def check(self) -> None:
        """Refuse a model without a text.

        Raises:
            SettingError: `sound_model` needs `from_text`.
        """
        if self.sound_model is not None and self.from_text is None:
            raise SettingError("sound_model", "needs {}", "from_text")

    def plan(self, sounds: Sequence[str] | None, output: str | None, *, force: bool) -> Path | None:
        """Return the file to write, which can be written; None without a text.

        Raises:
            InputError: recordings are given too, or the file exists or cannot be written.
        """
        if self.from_text is None:
            return None
        if sounds:
            raise InputError("SOUND and --from-text exclude each other; give one of them")
        from photism.audio.writing import check_audio_target
        from photism.audioldm2.dataset import caption_name

        folder = Path(output or ".")
        folder = folder if folder.is_dir() or str(output).endswith("/") else folder.parent
        target = folder / f"{caption_name(self.from_text)}.wav"
        if target.is_file() and not force:
            draw = f"photism draw {shlex.quote(str(target))}"
            raise InputError(
                f"{target} exists: `{draw}` draws it, --force generates it again, and -o FOLDER/ writes it elsewhere"
            )
        if str(output).endswith("/"):
            create_folder(folder, "-o")
        check_audio_target(target, "-o", force=force)
        return target

    def generate(self, target: Path, models: PipelineSettings, *, seed: int) -> None:
        """Generate the recording on the device and in the dtype of other models, and write it.

        Raises:
            InputError: there is no such model.
        """
        from photism.audioldm2.sound_files import write_sounds

        text = self.from_text or ""
        pipeline = load_pipeline(
            SoundPipelineSettings(model=self.sound_model, device=models.device, dtype=models.dtype, offload="disk")
        )
        with progress_bar("generating") as bar:
            generated = pipeline(text, seed=seed, callback_on_step=bar.update)
        write_sounds(text, 0, [target], generated, pipeline)
