"""photism serve: the studio in a browser, and its HTTP endpoint."""

import socket
from typing import Annotated

import typer

from photism.cli import options as option
from photism.cli.startup import load_pipeline
from photism.errors import InputError


def serve(
    host: Annotated[
        str, typer.Option(help="0.0.0.0 for every network; there, browsers give the microphone to https only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    model: option.Model = None,
    diffusion: option.Diffusion = None,
    device: option.Device = None,
) -> None:
    """Open the studio: a page to record, hear and draw sounds."""
    _check_free(host, port)
    try:
        from photism.server.studio import build_app, launch
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise InputError("serve needs gradio, which is not installed: pip install 'photism[studio]'") from None

    pipeline, ranker = load_pipeline(model, diffusion=diffusion, device=device)
    app = build_app(pipeline, ranker, model=model or "tiny")
    typer.echo(f"Photism is on {launch(app, host=host, port=port)} until Ctrl-C")
    app.block_thread()


def _check_free(host: str, port: int) -> None:
    """Before the model is loaded, which takes longer."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server just stopped is not in the way
            probe.bind(address)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port} cannot be used ({error.strerror}); give another port or host"
        ) from None
