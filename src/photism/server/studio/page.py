"""The page: its controls, and what Gradio does with their values before and after a drawing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import gradio as gr
import numpy as np
from fastapi import FastAPI
from gradio import routes
from starlette.routing import Mount

from photism.drawing.settings import DrawSettings
from photism.server.engine.ticket import Cancelled
from photism.server.studio.values import number_problem, text_problem
from photism.settings import declarations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from gradio.block_function import BlockFunction
    from gradio.helpers import Examples
    from starlette.types import ASGIApp

    from photism.server.engine.kinds import Drawing
    from photism.server.settings import LimitSettings
    from photism.server.studio.files import PageFiles

LOGGER = logging.getLogger(__name__)

MAX_SESSIONS = 100  # for which Gradio keeps the values of all controls
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


@dataclass(frozen=True)
class ModelDefaults:
    """What the page shows of a model.

    Attributes:
        num_inference_steps: default number of denoising steps.
        guidance_scale: default guidance scale.
        negative: default negative prompt.
        has_captions: whether it finds the nearest captions.
        draws_small: whether its images are enlarged without interpolation.
    """

    num_inference_steps: int
    guidance_scale: float
    negative: str
    has_captions: bool
    draws_small: bool

    @classmethod
    def of(cls, drawing: Drawing) -> ModelDefaults:
        """Return the defaults of a loaded model."""
        pipeline = drawing.pipeline
        latent_side = np.max(pipeline.diffusion.unet.config.sample_size)  # one number, or height and width
        return cls(
            pipeline.num_inference_steps,
            pipeline.guidance_scale,
            pipeline.negative,
            drawing.ranker is not None,
            bool(latent_side * pipeline.diffusion.vae_scale_factor < SMALL_PIXELS),
        )


class Page(gr.Blocks):
    """Gradio's page, which checks the values that it is sent, and names files without folders of the server.

    Gradio passes each event through `process_api`, and has no other place for that.
    """

    def __init__(self, files: PageFiles) -> None:
        super().__init__(title="Photism", analytics_enabled=False)
        self.files = files
        self.state_session_capacity = MAX_SESSIONS

    async def process_api(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, block_fn: BlockFunction, inputs: list[Any], *args: Any, root_path: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the answer to an event.

        Raises:
            gr.Error: a value has the wrong type or is out of range, or the server failed.
        """
        try:
            checked = self._checked(block_fn.inputs, inputs)
            answer = await super().process_api(block_fn, checked, *args, root_path=root_path, **kwargs)
        except gr.Error:
            raise
        except Cancelled:
            raise gr.Error("The drawing was stopped.", print_exception=False) from None
        except Exception:
            LOGGER.exception("a request of the page failed")
            raise gr.Error("The server failed; its log has the details.", print_exception=False) from None
        finally:
            for each in self.temp_file_sets:
                each.clear()  # the storage removes files
        return {**answer, "data": self.files.without_folders(answer["data"], root_path or "")}

    def has_messages(self, session: str) -> bool:
        """Return whether there is, or may come, a result for a session."""
        return session in self._queue.pending_messages_per_session

    def _checked(self, components: Sequence[Any], values: list[Any]) -> list[Any]:
        """Return the values of components, with paths in place of the names of files.

        Raises:
            gr.Error: there are too few or too many, or one has the wrong type, is out of range or names no file.
        """
        if len(values) != len(components):
            names = ", ".join(str(each.label) for each in components)
            message = f"data must be a list of {len(components)} values: {names}; got {len(values)}"
            raise gr.Error(message, print_exception=False)
        return [self._value(each, value) for each, value in zip(components, values, strict=True)]

    def _value(self, component: Any, value: Any) -> Any:
        problem = None
        if isinstance(component, gr.Audio):
            if value is None:
                return None
            name = value.get("path") if isinstance(value, dict) else None
            path = self.files.path_of(name) if isinstance(name, str) else None
            if path is not None:
                return {"path": str(path), "meta": {"_type": "gradio.FileData"}}
            problem = "must be a file that was uploaded and has not expired; choose it again"
        elif isinstance(component, gr.Number | gr.Slider):
            problem = number_problem(value, component.minimum, component.maximum)
        elif isinstance(component, gr.Textbox | gr.Dropdown):
            problem = text_problem(value)
        if problem is not None:
            raise gr.Error(f"{component.label} {problem}.", print_exception=False)
        return value


def build_page(
    draw: Callable[..., Awaitable[Any]], defaults: ModelDefaults, files: PageFiles, limits: LimitSettings
) -> Page:
    """Build the page, and its HTTP endpoint ``/draw`` for gradio_client.

    Args:
        draw: what the button calls.
        defaults: what the page shows of its model.
        files: files of the page.
        limits: its queue holds no request that a model has room for.
    """
    with Page(files) as page:
        gr.Markdown("# Photism\nRecord or upload a sound, and see the picture that it calls up.")
        with gr.Row():
            with gr.Column():
                sound = gr.Audio(sources=["microphone", "upload"], type="filepath", label="Sound", buttons=["download"])
                examples = _examples(sound, files.examples)
                with gr.Row():
                    button = gr.Button("Draw", variant="primary", size="lg", scale=4)
                    stop = gr.Button("Stop", size="lg", scale=1, min_width=80)
                mixing = _mixing_controls()
                settings = _setting_controls(defaults)
            with gr.Column():
                pictures = gr.Gallery(
                    label="Pictures",
                    show_label=False,
                    format="png",
                    object_fit="contain",
                    buttons=["download", "fullscreen"],
                    elem_id="pictures",
                    elem_classes="pixels" if defaults.draws_small else None,
                )
                heard = gr.Label(label="Heard, by similarity", visible=defaults.has_captions, elem_id="heard")
        inputs, outputs = [sound, *settings, *mixing], [pictures, heard]
        events: list[dict[str, Any]] = [
            button.click(draw, inputs, outputs, api_name="draw", show_progress_on=pictures, scroll_to_output=True),
            examples.load_input_event.success(
                draw, inputs, outputs, api_visibility="private", show_progress_on=pictures, scroll_to_output=True
            ),
        ]
        stop.click(None, cancels=events)
    # Gradio begins every request at once; it is the model's lane in which they wait.
    page.max_threads = 2 * limits.max_queue
    page.queue(max_size=limits.max_queue, default_concurrency_limit=None, api_open=False)
    # Or it would keep statistics of each session, and compute their summary after each request.
    page._queue.ANALYTICS_MAX_EVENTS = 0  # pyright: ignore[reportPrivateUsage]
    return page


async def start_page(page: Page, *, root_path: str) -> ASGIApp:
    """Start Gradio's queue, and return the application that serves the page.

    Args:
        page: the page.
        root_path: path under which a proxy publishes the server.
    """
    # Gradio creates a subfolder there at once, by default in a folder that all accounts share.
    routes.DEFAULT_TEMP_DIR = str(page.files.folder)
    parent = gr.mount_gradio_app(
        FastAPI(),
        page,
        path="/",
        root_path=root_path,
        theme=THEME,
        css=CSS,
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        show_error=False,
    )
    page.run_startup_events()
    (mounted,) = (route.app for route in parent.routes if isinstance(route, Mount))
    return mounted


def _examples(sound: gr.Audio, folder: Path | None) -> Examples:
    """Return the examples, which Gradio does not copy, so that they do not expire.

    A file is named after its word and its language, such as elephant.en.ogg.
    """
    paths = [] if folder is None else sorted(folder.glob("*.ogg"))
    gr.set_static_paths(list(map(str, paths)))
    return gr.Examples(
        [[str(path)] for path in paths],
        sound,
        examples_per_page=len(paths) or 1,
        example_labels=[path.stem.replace(".", " · ") for path in paths],
    )


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


def _setting_controls(defaults: ModelDefaults) -> list[gr.components.Component]:
    """Return the controls of the settings, in the order in which ``draw`` takes them."""
    steps, images = (DECLARED[name].minimum or 0 for name in ("num_inference_steps", "images_per_sound"))
    with gr.Accordion("Settings", open=False):
        return [
            gr.Slider(steps, 50, defaults.num_inference_steps, step=1, **_text("num_inference_steps")),
            gr.Slider(1, 15, defaults.guidance_scale, step=0.5, **_text("guidance_scale")),
            gr.Number(-1, precision=0, **_text("seed", "-1 is a random seed.")),
            gr.Slider(images, 4, 1, step=1, **_text("images_per_sound")),
            gr.Dropdown(
                NEGATIVES,
                value=defaults.negative,
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
