"""The options of `draw`, and of other verbs where they are the same: each described once, named where it is used."""

from typing import Annotated

import typer

Sounds = Annotated[list[str], typer.Argument(metavar="SOUND...", help="Files or URLs; any format with sound.")]
SoundsOrText = Annotated[
    list[str] | None, typer.Argument(metavar="SOUND...", help="Files or URLs; any format with sound.")
]
FromText = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="In place of SOUND: make a sound of a text, TEXT.wav, and draw what is heard."),
]
SoundModel = Annotated[
    str | None, typer.Option(help="Folder or hub id of the AudioLDM 2 that makes it. Default: the bundled one.")
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE|FOLDER", help="Default: SOUND.png in the current folder.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite pictures that are there.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a sound, or for all with --mix or --morph.")
]

# Which models draw.
Model = Annotated[str | None, typer.Option(help="Folder or hub id. Default: the bundled model.")]
Diffusion = Annotated[
    str | None, typer.Option(help="Folder or hub id of a diffusers pipeline. Default: the model's own.")
]
ControlNet = Annotated[str | None, typer.Option(help="Folder or hub id of a ControlNet; goes with --control-image.")]
Lora = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH[:WEIGHT]",
        help="LoRA weights: file, folder, hub id or OWNER/NAME/FILE.safetensors; may be given several times.",
    ),
]

# How they draw.
Steps = Annotated[int | None, typer.Option(help="Denoising steps. Default: the model's.")]
GuidanceScale = Annotated[float | None, typer.Option(help="How strongly to follow the sound. Default: the model's.")]
Seed = Annotated[int, typer.Option(help="Of the first picture of each sound; the next has the next.")]
Images = Annotated[int, typer.Option(help="Pictures of each sound.")]
Negative = Annotated[
    str | None,
    typer.Option(
        help="What to draw away from: empty, silence, noise, none, text:WORDS, or a sound. Default: the model's."
    ),
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="NAME", help="ddim, euler, euler-a, dpm++, unipc or lcm. Default: the model's.")
]

# What is mixed.
Text = Annotated[str | None, typer.Option(metavar="WORDS", help="What stands beside each sound.")]
TextPlaces = Annotated[
    str,
    typer.Option(
        metavar="blend|before|after|START:STOP",
        help="Where it stands: blended with the whole sound, or in place of the sound's first tokens, its last, or "
        "those from START to STOP - 1.",
    ),
]
Strength = Annotated[
    float | None,
    typer.Option(
        help="Of the sound, from 0, which is the text alone or else the empty text, to 1. "
        "Default: 1, but 0.5 if a text is blended."
    ),
]
Mix = Annotated[
    str | None,
    typer.Option(metavar="WEIGHTS", help="Draw all sounds as one, by weight, such as 2,1. Default file: mix.png."),
]
Morph = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Draw the way from one sound to another, N pictures in a row. Default file: morph.png."
    ),
]

# Pictures that are drawn from.
StartImage = Annotated[str | None, typer.Option(metavar="FILE", help="The picture to start from.")]
ImageStrength = Annotated[
    float | None, typer.Option(help="How far to go from it: above 0, to 1, which leaves nothing of it.")
]
Mask = Annotated[str | None, typer.Option(metavar="FILE", help="As large as the picture: what is white is drawn anew.")]
ControlImage = Annotated[str | None, typer.Option(metavar="FILE", help="What the ControlNet holds the drawing to.")]
ControlScale = Annotated[float | None, typer.Option(help="How strongly. Default: the pipeline's.")]

# The machine.
Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps. Default: the best there is.")]
Dtype = Annotated[str, typer.Option(metavar="NAME", help="Of the weights: float32, float16 or bfloat16.")]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the UNet first: slow at once, faster after.")]
AttentionSlicing = Annotated[bool, typer.Option("--attention-slicing", help="Less memory, more time.")]
Offload = Annotated[
    str | None,
    typer.Option(metavar="model|sequential", help="Keep weights off the GPU but for the model, or layer, at work."),
]

# What is told of sounds.
Window = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Hear windows of this length, not the whole sound.")
]
Hop = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="From one window to the next. Default: half a window.")
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="table, json, csv or audacity (a label track). Default: by the ending of -o, or a table."
    ),
]
LabelsOutput = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE|FOLDER", help="A file for all, or a folder with a file for each."),
]
Plot = Annotated[
    str | None,
    typer.Option(metavar="FILE.png|FOLDER", help="Draw the labels under the waveform. Needs photism[listening]."),
]
ForceFiles = Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")]
BatchSize = Annotated[int, typer.Option(help="Sounds, or windows, computed at once.")]
Workers = Annotated[int, typer.Option(help="Sounds decoded at once.")]
