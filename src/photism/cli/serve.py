"""photism serve: the studio in a browser, and its HTTP endpoint."""

import socket
from typing import Annotated

import typer

from photism.cli.startup import load_pipeline
from photism.errors import InputError
from photism.prompts.settings import PipelineSettings


def serve(
    *,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0 is every network, where browsers allow the microphone over https only.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="TCP port to listen on.")] = 7860,
    models: PipelineSettings,
) -> None:
    """Open the studio: a web page to record, recognise and draw sounds.

    Examples:
        photism serve
        photism serve --host 0.0.0.0 --port 8000 --device cuda
    """
    _check_free(host, port)
    try:
        from photism.server.studio import build_app, launch
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise InputError("serve needs gradio, which is not installed: pip install 'photism[studio]'") from None

    pipeline, ranker = load_pipeline(models)
    app = build_app(pipeline, ranker, model=str(models.model or "tiny"))
    typer.echo(f"Photism is on {launch(app, host=host, port=port)} until Ctrl-C")
    app.block_thread()


def _check_free(host: str, port: int) -> None:
    """Check that a port can be listened on, before the model is loaded, which takes longer.

    Raises:
        InputError: it cannot.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as after a server that has just stopped
            probe.bind(address)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port} cannot be used ({error.strerror}); give another port or host"
        ) from None
