"""photism serve: the studio in a browser, and its HTTP endpoint."""

import socket

import typer

from photism.cli.startup import load_pipeline
from photism.errors import InputError
from photism.prompts.settings import PipelineSettings
from photism.settings import setting, settings


@settings
class AddressSettings:
    """Where the studio is served."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 accepts connections from every network. Without https, browsers allow the "
        "microphone on this machine only.",
        metavar="ADDRESS",
    )
    port: int = setting(7860, "TCP port to listen on.", minimum=1, maximum=65535, metavar="PORT")


def serve(
    *,
    address: AddressSettings,
    models: PipelineSettings,
) -> None:
    """Open the studio: a web page to record, recognise and draw sounds.

    Examples:
        photism serve
        photism serve --host 0.0.0.0 --port 8000 --device cuda
    """
    _check_free(address.host, address.port)
    try:
        from photism.server.studio import build_app, launch
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise InputError("serve needs gradio, which is not installed: pip install 'photism[studio]'") from None

    pipeline, ranker = load_pipeline(models)
    app = build_app(pipeline, ranker, model=str(models.model or "tiny"))
    typer.echo(f"Photism is on {launch(app, host=address.host, port=address.port)} until Ctrl-C")
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
