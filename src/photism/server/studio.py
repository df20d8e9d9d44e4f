"""The studio: a web page to record or upload a sound, see its images and its nearest captions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import gradio as gr
import numpy as np

from photism import __version__
from photism.audio.waveform import Waveform, load_waveform
from photism.drawing.metadata import describe_settings
from photism.drawing.settings import DrawSettings
from photism.errors import InputError
from photism.hub import bundled_model
from photism.listening.label_formats import unknown_text
from photism.prompts.text_place import read_text_place
from photism.settings import declarations

if TYPE_CHECKING:
    from fastapi import FastAPI
    from PIL.Image import Image

    from photism.drawing.negative_prompt import Negative
    from photism.drawing.pipeline import AudioToImageOutput, AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker
    from photism.prompts.audio_prompt import AudioPrompt

MAX_DURATION_S = 60.0
MAX_FILE_SIZE = "64mb"  # a minute of video, or several of uncompressed sound
MAX_WAITING = 20  # requests; they are answered one at a time
KEPT_S = 3600  # recordings and images stay this long in the server's temporary folder
SMALL_PIXELS = 256  # smaller images are enlarged without interpolation
DECLARED = declarations(DrawSettings)
PLACES = [
    ("Blended with the whole recording", "blend"),
    ("In place of its first tokens", "before"),
    ("In place of its last tokens", "after"),
]
NEGATIVES = [("Empty text", "empty"), ("Silence", "silence"), ("Noise", "noise"), ("None: no guidance", "none")]

# The system's own fonts: the page fetches nothing from elsewhere and works without a network.
THEME = gr.themes.Base(
    primary_hue="orange",
    neutral_hue="stone",
    radius_size="lg",
    font=("system-ui", "sans-serif"),
    font_mono=("ui-monospace", "monospace"),
)
CSS = """
.gradio-container { max-width: 1120px !important; margin-inline: auto !important; }
#pictures .grid-wrap { max-height: none; }
#heard { --font-mono: var(--font); }
#heard h2 { font-size: var(--text-xxl); }
.pixels img { image-rendering: pixelated; }
footer .divider { display: none; }
"""


def build_app(
    pipeline: "AudioToImagePipeline", ranker: "CaptionRanker | None" = None, *, model: str = "tiny"
) -> gr.Blocks:
    """Build the page, and its HTTP endpoint ``/draw`` for gradio_client.

    Args:
        pipeline: generates the images. It serves one request at a time; the others wait in a queue.
        ranker: finds the nearest captions; without it the page shows none.
        model: name of the model in the images' metadata.
    """
    draw = _Studio(pipeline, ranker, model).draw
    with gr.Blocks(title="Photism", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as app:
        gr.Markdown("# Photism\nRecord or upload a sound, and see the picture that it calls up.")
        with gr.Row():
            with gr.Column():
                sound = gr.Audio(sources=["microphone", "upload"], type="filepath", label="Sound", buttons=["download"])
                # A file is named after its word and its language, such as elephant.en.ogg.
                paths = _example_recordings()
                examples = gr.Examples(
                    [[str(path)] for path in paths],
                    sound,
                    examples_per_page=len(paths) or 1,
                    example_labels=[path.stem.replace(".", " · ") for path in paths],
                )
                button = gr.Button("Draw", variant="primary", size="lg")
                mixing = _mixing_controls()
                settings = _setting_controls(pipeline)
            with gr.Column():
                pictures = gr.Gallery(
                    label="Pictures",
                    show_label=False,
                    format="png",
                    object_fit="contain",
                    buttons=["download", "fullscreen"],
                    elem_id="pictures",
                    elem_classes="pixels" if _draws_small(pipeline) else None,
                )
                heard = gr.Label(label="Heard, by similarity", visible=ranker is not None, elem_id="heard")
        inputs, outputs = [sound, *settings, *mixing], [pictures, heard]
        button.click(draw, inputs, outputs, api_name="draw", show_progress_on=pictures, scroll_to_output=True)
        examples.load_input_event.success(
            draw, inputs, outputs, api_visibility="private", show_progress_on=pictures, scroll_to_output=True
        )
    return app.queue(max_size=MAX_WAITING, default_concurrency_limit=1)


def _example_recordings() -> list[Path]:
    """Return the examples of the bundled model; none if it is not installed."""
    try:
        return sorted((bundled_model() / "examples").glob("*.ogg"))
    except InputError:
        return []


def launch(app: gr.Blocks, *, host: str, port: int) -> str:
    """Serve the page in the background until ``app.close()``.

    Returns:
        Its address on this machine.

    Raises:
        OSError: the port is in use.
    """
    _, address, _ = app.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        theme=THEME,
        css=CSS,
        max_file_size=MAX_FILE_SIZE,
        footer_links=["api"],
        run_history=False,
        share=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    return address


def mount(app: "FastAPI", page: gr.Blocks) -> None:
    """Serve the page at the root of an application, behind the application's own endpoints."""
    gr.mount_gradio_app(
        app,
        page,
        "/",
        theme=THEME,
        css=CSS,
        max_file_size=MAX_FILE_SIZE,
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
    )


@dataclass(frozen=True)
class _Studio:
    """The models behind the page: gradio passes ``draw`` nothing but the values of the controls."""

    pipeline: "AudioToImagePipeline"
    ranker: "CaptionRanker | None"
    model: str

    def draw(
        self,
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
    ) -> "tuple[list[tuple[Image, str]], dict[str, float]]":
        """Return images with their captions, and the nearest captions of the recording with their scores.

        The nearest caption of a recording that the model does not know says so.
        """

        def show_progress(done: int, total: int) -> None:
            progress((done, total), unit="steps")

        if sound is None:
            raise gr.Error("Record or upload a sound first, or choose an example.", print_exception=False)
        waveforms = [_load(each) for each in (sound, second_sound) if each is not None]
        try:
            settings = DrawSettings(
                num_inference_steps=num_inference_steps,
                guidance_scale=None if negative == "none" else guidance_scale,
                seed=None if seed < 0 else seed,
                images_per_sound=images_per_sound,
                negative=_negative(negative),
                text=text or None,
                text_place=read_text_place(text_place) if text else "blend",
                sound_strength=None if strength < 0 else strength,
            )
            prompts = self._prompts(waveforms, share)
            output = self.pipeline(prompts, settings, callback_on_step=show_progress)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None
        ranked = self.ranker.rank_prompts(prompts)[0] if self.ranker else []
        known = prompts.known[0] if prompts.known else None  # a mixture of two recordings is neither
        nearest = ranked[0]["caption"] if ranked else None
        heard = {each["caption"]: each["score"] for each in ranked}
        if nearest is not None and known is False:
            heard = {unknown_text(nearest): heard.pop(nearest), **heard}
        about = {
            "Software": f"photism {__version__}",
            "model": self.model,
            **describe_settings(settings, output.settings),
            "weights": f"{1 - share:g},{share:g}" if second_sound else None,
            "heard": nearest,
            "known": None if known is None else str(known).lower(),
        }
        return _with_captions(output, about), heard

    def _prompts(self, waveforms: list[Waveform], share: float) -> "AudioPrompt":
        """Encode one recording, or two into the mixture of their prompts."""
        from photism.prompts.mixing import blend

        prompts = [self.pipeline.encoder.encode([waveform]) for waveform in waveforms]
        return prompts[0] if len(prompts) == 1 else blend(prompts, (1 - share, share))


def _with_captions(output: "AudioToImageOutput", about: Mapping[str, object]) -> "list[tuple[Image, str]]":
    """Return the images of one recording, each with the metadata that gradio writes into its PNG, and its caption."""
    captioned: list[tuple[Image, str]] = []
    flags = output.nsfw_content_detected[0]
    for image, seed, is_flagged in zip(output.images[0], output.seeds[0], flags, strict=True):
        metadata = {**about, "seed": seed}
        image.info |= {name: str(value) for name, value in metadata.items() if value is not None}
        captioned.append((image, f"Seed {seed}{': the safety checker found it unsafe' if is_flagged else ''}"))
    return captioned


def _mixing_controls() -> list[gr.components.Component]:
    """Return the controls of what is mixed in, in the order in which ``draw`` takes them."""
    with gr.Accordion("Mix", open=False):
        second = gr.Audio(sources=["microphone", "upload"], type="filepath", label="Second sound", buttons=[])
        share = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second sound")
        text = gr.Textbox("", max_lines=3, **_text("text"))
        place = gr.Dropdown(
            PLACES, value="blend", allow_custom_value=True, **_text("text_place", "A range is typed, such as 1:4.")
        )
        # An empty number would be shown, and sent, as 0.
        strength = gr.Number(-1, step=0.1, **_text("sound_strength", "-1 is the default."))
    return [second, share, text, place, strength]


def _setting_controls(pipeline: "AudioToImagePipeline") -> list[gr.components.Component]:
    """Return the controls of the settings, in the order in which ``draw`` takes them."""
    steps, images = (DECLARED[name].minimum or 0 for name in ("num_inference_steps", "images_per_sound"))
    with gr.Accordion("Settings", open=False):
        return [
            gr.Slider(steps, 50, pipeline.num_inference_steps, step=1, **_text("num_inference_steps")),
            gr.Slider(1, 15, pipeline.guidance_scale, step=0.5, **_text("guidance_scale")),
            gr.Number(-1, precision=0, **_text("seed", "-1 is a random seed.")),
            gr.Slider(images, 4, 1, step=1, **_text("images_per_sound")),
            gr.Dropdown(
                NEGATIVES,
                value=pipeline.negative,
                allow_custom_value=True,
                **_text("negative", "On this page other words are a text, and never a recording."),
            ),
        ]


class _ControlText(TypedDict):
    label: str
    info: str


def _text(name: str, note: str = "") -> _ControlText:
    """Return the label and the description of the control of a setting, from its declaration.

    Args:
        name: of the setting; the label is its flag on the command line, in words.
        note: a sentence about the control, which follows the description.
    """
    declared = DECLARED[name]
    label = (declared.flag or name).removeprefix("--").replace("-", " ").replace("_", " ").capitalize()
    return {"label": label, "info": f"{declared.description} {note}".strip()}


def _load(sound: str) -> Waveform:
    try:
        waveform = load_waveform(sound)
    except InputError as error:
        # The visitor knows the name of the file, not where the server keeps it.
        raise gr.Error(str(error).replace(sound, Path(sound).name), print_exception=False) from None
    if waveform.duration_s > MAX_DURATION_S:
        raise gr.Error(
            f"The sound is {waveform.duration_s:.1f} s long, and at most {MAX_DURATION_S:.0f} s can be drawn: "
            "cut it with the scissors below its waveform.",
            print_exception=False,
        )
    return waveform


def _negative(negative: str) -> "Negative":
    """Return the negative prompt: words are a text, never a path, which would be a file on the server."""
    from photism.drawing.negative_prompt import TextPrompt, parse_negative

    parsed = parse_negative(negative)
    is_allowed = isinstance(parsed, TextPrompt) or parsed in {value for _, value in NEGATIVES}
    return parsed if is_allowed else TextPrompt(negative)


def _draws_small(pipeline: "AudioToImagePipeline") -> bool:
    latent_side = np.max(pipeline.diffusion.unet.config.sample_size)  # one number, or height and width
    return bool(latent_side * pipeline.diffusion.vae_scale_factor < SMALL_PIXELS)
