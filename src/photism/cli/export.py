"""photism export: ONNX files of models."""

from typing import Annotated

import typer

from photism.cli import options as option
from photism.cli.startup import startup
from photism.export.settings import ExportSettings, check_libraries


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or hub id of a checkpoint, or tiny/language.")],
    output: Annotated[str, option.output("File to write; a folder with --onnx-asr.")],
    settings: ExportSettings,
    force: option.Force = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Export a Wav2Vec2-BERT with any head, or an audio encoder of draw, to ONNX.

    The file takes batches of any size and length. It is compared with the model in torch before it is written.

    Examples:
        photism export tiny/language --log-mel -o language.onnx
        photism export tiny/language --dtype int8 -o language-int8.onnx
    """
    check_libraries()
    with startup():
        from photism.export.onnx_export import export_onnx

    exported = export_onnx(model, output, force=force, **vars(settings))
    typer.echo(option.format_result(exported, as_json=as_json))
