"""Draw for the page: check its values, and run the work in the lane of the model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL.Image import Image  # Gradio resolves the annotations of `draw`

from photism import __version__
from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.drawing.metadata import describe_settings
from photism.drawing.negative_prompt import parse_negative_words
from photism.drawing.settings import DrawSettings
from photism.errors import InputError
from photism.listening.label_formats import unknown_text
from photism.prompts.text_place import read_text_place
from photism.server.engine.ticket import Cancelled, Ticket
from photism.server.fields.upload import Upload
from photism.server.problems import Problem, without_folders
from photism.server.studio.visitors import Visitors

if TYPE_CHECKING:
    from photism.audio.waveform import Waveform
    from photism.drawing.pipeline import AudioToImageOutput
    from photism.prompts.audio_prompt import AudioPrompt
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.kinds import Drawing
    from photism.server.services import Services


NO_STYLE = (
    "The model of this page draws in the style of an image, for which the page has no field. Send the sound to "
    "/v1/draw, which /docs describes, with the image as `style`."
)


@dataclass(frozen=True)
class Studio:
    """What the page draws with.

    Attributes:
        services: run the model, and decode recordings within limits.
        visitors: sessions of the page, whose work is cancelled when they leave.
        entry: the model; its name is in the images' metadata.
    """

    services: Services
    visitors: Visitors
    entry: ModelEntry

    async def draw(
        self,
        request: gr.Request,
        sound: str | None,
        num_inference_steps: int,
        guidance_scale: float,
        seed: int,
        images_per_sound: int,
        negative: str,
        second_sound: str | None = None,
        share: float = 0.5,
        text: str = "",
        text_place: str = "blend",
        strength: float = -1,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio looks for it there
    ) -> tuple[list[tuple[Image, str]], dict[str, float]]:
        """Return images with their captions, and the nearest captions of the recording with their scores.

        The nearest caption of a recording that the model does not know says so.

        Raises:
            gr.Error: a value cannot be used, the model has too many requests, or the visitor has left.
        """
        if sound is None:
            raise gr.Error("Record or upload a sound first, or choose an example.", print_exception=False)
        if self.entry.settings.ip_adapter is not None:
            raise gr.Error(NO_STYLE, print_exception=False)
        ticket = Ticket(request.request.state.client)  # pyright: ignore[reportOptionalMemberAccess]
        try:
            settings = DrawSettings(
                num_inference_steps=num_inference_steps,
                guidance_scale=None if negative == "none" else guidance_scale,
                seed=None if seed < 0 else seed,
                images_per_sound=images_per_sound,
                negative=parse_negative_words(negative),
                text=text or None,
                text_place=read_text_place(text_place) if text else "blend",
                sound_strength=None if strength < 0 else strength,
            )
            session = request.session_hash or ""
            with self.visitors.working(session, ticket):
                await self.visitors.watched(session)
                sounds = [await self._read("The sound", sound, ticket.client)]
                if second_sound is not None:
                    sounds.append(await self._read("The second sound", second_sound, ticket.client))
                work = PageWork(sounds, settings, share, self.entry.name)
                following = asyncio.ensure_future(follow(ticket, progress))
                try:
                    return await self.services.registry.run(self.entry, work.run, ticket)
                finally:
                    following.cancel()
        except Cancelled:
            raise gr.Error("The drawing was stopped.", print_exception=False) from None
        except Problem as problem:
            raise gr.Error(problem.message, print_exception=False) from None
        except InputError as error:
            raise gr.Error(without_folders(str(error)), print_exception=False) from None

    async def _read(self, name: str, path: str, client: str) -> Waveform:
        sound = await self.services.reader.read_sound(name, Upload(Path(path), None), ReadingSettings(), client)
        return load_waveform(sound)  # which it has decoded


async def follow(ticket: Ticket, progress: gr.Progress) -> None:
    """Show the progress of a request on the page."""
    async for update in ticket.updates():
        if update.total:
            progress((update.done, update.total), unit="steps")
        elif update.state == "queued":
            progress(0, desc=f"{update.position + 1} before you")  # one of which is drawn already
        else:
            progress(0, desc="Loading the model" if update.state == "loading" else "Encoding")


@dataclass(frozen=True)
class PageWork:
    """A drawing, to be run by the owner of the model.

    Attributes:
        sounds: one recording, or two whose prompts are mixed.
        settings: settings of the images.
        share: weight of the second recording, 0 to 1.
        model: name of the model in the images' metadata.
    """

    sounds: list[Waveform]
    settings: DrawSettings
    share: float
    model: str

    def run(self, drawing: Drawing, ticket: Ticket) -> tuple[list[tuple[Image, str]], dict[str, float]]:
        """Return images with their captions, and the nearest captions with their scores.

        Raises:
            Cancelled: the ticket was cancelled.
            InputError: the model cannot do what the settings say.
        """
        prompts = self._prompts(drawing, ticket)
        output = drawing.pipeline(prompts, self.settings, callback_on_step=ticket.report)
        ranked = drawing.ranker.rank_prompts(prompts)[0] if drawing.ranker else []
        known = prompts.known[0] if prompts.known else None  # a mixture of two recordings is neither
        nearest = ranked[0]["caption"] if ranked else None
        heard = {each["caption"]: each["score"] for each in ranked}
        if nearest is not None and known is False:
            heard = {unknown_text(nearest): heard.pop(nearest), **heard}
        about = {
            "Software": f"photism {__version__}",
            "model": self.model,
            **describe_settings(self.settings, output.settings),
            "weights": f"{1 - self.share:g},{self.share:g}" if len(self.sounds) > 1 else None,
            "heard": nearest,
            "known": None if known is None else str(known).lower(),
        }
        return with_captions(output, about), heard

    def _prompts(self, drawing: Drawing, ticket: Ticket) -> AudioPrompt:
        """Encode one recording, or two into the mixture of their prompts."""
        from photism.prompts.mixing import blend

        prompts: list[AudioPrompt] = []
        for sound in self.sounds:
            ticket.check()
            prompts.append(drawing.pipeline.encoder.encode([sound]))
        return prompts[0] if len(prompts) == 1 else blend(prompts, (1 - self.share, self.share))


def with_captions(output: AudioToImageOutput, about: Mapping[str, object]) -> list[tuple[Image, str]]:
    """Return the images of one recording, each with the metadata that gradio writes into its PNG, and its caption."""
    captioned: list[tuple[Image, str]] = []
    flags = output.nsfw_content_detected[0]
    for image, seed, is_flagged in zip(output.images[0], output.seeds[0], flags, strict=True):
        metadata: dict[str, Any] = {**about, "seed": seed}
        image.info |= {name: str(value) for name, value in metadata.items() if value is not None}
        captioned.append((image, f"Seed {seed}{': the safety checker found it unsafe' if is_flagged else ''}"))
    return captioned
