"""One page: record or upload a sound, see the pictures that it calls up and what was heard."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from photism import __version__
from photism.audio.waveform import Waveform, load_waveform
from photism.errors import InputError
from photism.hub import bundled_model
from photism.prompts.text_place import read_text_place

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.negative_prompt import Negative
    from photism.drawing.pipeline import AudioToImageOutput, AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker
    from photism.prompts.audio_prompt import AudioPrompt

MAX_DURATION_S = 60.0
MAX_FILE_SIZE = "64mb"  # a minute of video, or several of uncompressed sound
MAX_WAITING = 20  # requests; one is worked on at a time
KEPT_S = 3600  # recordings and pictures stay this long in the server's temporary folder
SMALL_PIXELS = 256  # smaller pictures are enlarged without blur
PLACES = [
    ("Blended with the whole sound", "blend"),
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
        pipeline: draws. It serves one request at a time; the others wait in a queue.
        ranker: says what was heard; without it the page does not.
        model: name that the pictures carry in their metadata.
    """
    draw = _Studio(pipeline, ranker, model).draw
    with gr.Blocks(title="Photism", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as app:
        gr.Markdown("# Photism\nRecord or upload a sound, and see the picture that it calls up.")
        with gr.Row():
            with gr.Column():
                sound = gr.Audio(sources=["microphone", "upload"], type="filepath", label="Sound", buttons=["download"])
                # They are named for what is said and the language it is said in, as in elephant.en.ogg.
                paths = _example_recordings()
                examples = gr.Examples(
                    [[str(path)] for path in paths],
                    sound,
                    examples_per_page=len(paths) or 1,
                    example_labels=[path.stem.replace(".", " · ") for path in paths],
                )
                button = gr.Button("Draw", variant="primary", size="lg")
                mixing = _mixing()
                settings = _settings(pipeline)
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


@dataclass(frozen=True)
class _Studio:
    """What the page works with, since gradio hands ``draw`` nothing but the values of the controls."""

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
        """Give pictures with their captions, and what was heard with its scores."""

        def show_progress(done: int, total: int) -> None:
            progress((done, total), unit="steps")

        if sound is None:
            raise gr.Error("Record or upload a sound first, or choose an example.", print_exception=False)
        waveforms = [_load(each) for each in (sound, second_sound) if each is not None]
        try:
            place = read_text_place(text_place) if text else "blend"
            prompts = self._prompts(waveforms, share)
            drawn = self.pipeline(
                prompts,
                num_inference_steps=num_inference_steps,
                guidance_scale=None if negative == "none" else guidance_scale,
                seed=None if seed < 0 else seed,
                images_per_sound=images_per_sound,
                negative=_negative(negative),
                text=text or None,
                text_place=place,
                sound_strength=None if strength < 0 else strength,
                callback_on_step=show_progress,
            )
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None
        heard = dict(self.ranker.rank_prompts(prompts)[0]) if self.ranker else {}
        about = {
            "Software": f"photism {__version__}",
            "model": self.model,
            "steps": num_inference_steps,
            "guidance_scale": 1.0 if negative == "none" else guidance_scale,
            "negative": negative,
            **({"weights": f"{1 - share:g},{share:g}"} if second_sound else {}),
            **({"text": text, "text_place": text_place} if text else {}),
            **({"sound_strength": drawn.sound_strength} if text or strength >= 0 else {}),
            **({"heard": next(iter(heard))} if heard else {}),
        }
        return _with_captions(drawn, about), heard

    def _prompts(self, waveforms: list[Waveform], share: float) -> "AudioPrompt":
        """Of one sound, or of two as one."""
        from photism.prompts.mixing import blend

        prompts = [self.pipeline.encoder.encode([waveform]) for waveform in waveforms]
        return prompts[0] if len(prompts) == 1 else blend(prompts, (1 - share, share))


def _with_captions(drawn: "AudioToImageOutput", about: Mapping[str, object]) -> "list[tuple[Image, str]]":
    """The pictures of one sound, each with what gradio is to write to its PNG."""
    captioned: list[tuple[Image, str]] = []
    flags = drawn.nsfw_content_detected[0]
    for picture, seed, is_flagged in zip(drawn.images[0], drawn.seeds[0], flags, strict=True):
        picture.info |= {name: str(value) for name, value in {**about, "seed": seed}.items()}
        captioned.append((picture, f"Seed {seed}{': the safety checker found it unsafe' if is_flagged else ''}"))
    return captioned


def _mixing() -> list[gr.components.Component]:
    """The controls of what is mixed in, in the order in which ``draw`` takes them."""
    with gr.Accordion("Mix", open=False):
        second = gr.Audio(sources=["microphone", "upload"], type="filepath", label="Second sound", buttons=[])
        share = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second sound")
        text = gr.Textbox("", label="Text", info="What stands beside the sound.", max_lines=3)
        place = gr.Dropdown(
            PLACES,
            value="blend",
            allow_custom_value=True,
            label="Text place",
            info="Where it stands: one of these, or in place of the tokens from START to STOP - 1, such as 1:4.",
        )
        strength = gr.Number(
            -1,  # none at all would be shown, and sent, as 0
            step=0.1,
            label="Strength",
            info="Of the sound, from 0, which is the text alone or else the empty text, to 1. "
            "-1 is 1, but 0.5 if a text is blended.",
        )
    return [second, share, text, place, strength]


def _settings(pipeline: "AudioToImagePipeline") -> list[gr.components.Component]:
    """The controls, in the order in which ``draw`` takes them."""
    with gr.Accordion("Settings", open=False):
        return [
            gr.Slider(1, 50, pipeline.num_inference_steps, step=1, label="Steps"),
            gr.Slider(1, 15, pipeline.guidance_scale, step=0.5, label="Guidance scale"),
            gr.Number(
                -1,
                precision=0,
                label="Seed",
                info="The same seed draws the same picture; -1 draws another one each time.",
            ),
            gr.Slider(1, 4, 1, step=1, label="Images"),
            gr.Dropdown(
                NEGATIVES,
                value=pipeline.negative,
                allow_custom_value=True,
                label="Negative",
                info="What to draw away from: one of these, or words of your own.",
            ),
        ]


def _load(sound: str) -> Waveform:
    try:
        waveform = load_waveform(sound)
    except InputError as error:
        # The visitor knows the file by its name, not by where the server keeps it.
        raise gr.Error(str(error).replace(sound, Path(sound).name), print_exception=False) from None
    if waveform.duration_s > MAX_DURATION_S:
        raise gr.Error(
            f"The sound is {waveform.duration_s:.1f} s long, and at most {MAX_DURATION_S:.0f} s can be drawn: "
            "cut it with the scissors below its waveform.",
            print_exception=False,
        )
    return waveform


def _negative(negative: str) -> "Negative":
    """Words are a text, never the path of a sound: that would be a file on the server."""
    from photism.drawing.negative_prompt import TextPrompt

    return negative if negative in {value for _, value in NEGATIVES} else TextPrompt(negative)


def _draws_small(pipeline: "AudioToImagePipeline") -> bool:
    latent_side = np.max(pipeline.diffusion.unet.config.sample_size)  # one number, or height and width
    return bool(latent_side * pipeline.diffusion.vae_scale_factor < SMALL_PIXELS)
