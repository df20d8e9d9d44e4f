"""photism serve: an HTTP interface, and the studio in a browser."""

from importlib.util import find_spec

import typer

from photism.cli.startup import load_pipeline
from photism.errors import InputError
from photism.prompts.settings import PipelineSettings
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings, ModelsSettings

MODULES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "multipart": "python-multipart"}
"""Modules that the server imports, and their packages."""


def serve(
    address: AddressSettings,
    access: AccessSettings,
    limits: LimitSettings,
    models: PipelineSettings,
    further: ModelsSettings,
) -> None:
    """Serve the studio, a page to record, recognise and draw sounds, and an HTTP interface to all models.

    Examples:
        photism serve
        photism serve --host 0.0.0.0 --port 8000 --password SECRET --device cuda
    """
    if models.ip_adapter is not None:
        raise InputError("--ip-adapter cannot be used in the studio, which takes no style image")
    access = access.with_environment()
    access.check_exposure(address)
    sockets = address.bind()
    _check_installed()

    from photism.server.app import create_app
    from photism.server.engine.registry import ModelRegistry
    from photism.server.run import run
    from photism.server.services import Services

    registry = ModelRegistry((), limits)
    app = create_app(Services(address=address, access=access, limits=limits, registry=registry))
    if find_spec("gradio") is None:
        typer.echo("The page needs gradio, which is not installed: pip install 'photism[studio]'", err=True)
    else:
        from photism.server.studio import build_app, mount

        pipeline, ranker = load_pipeline(models)
        mount(app, build_app(pipeline, ranker, model=str(models.model or "tiny")))
    run(app, address, sockets, on_start=lambda: typer.echo(f"Photism is on {address.url} until Ctrl-C"))


def _check_installed() -> None:
    """Check that the libraries of the server are installed, before a model is loaded.

    Raises:
        InputError: one is not.
    """
    for module, package in MODULES.items():
        if find_spec(module) is None:
            raise InputError(f"serve needs {package}, which is not installed: pip install 'photism[server]'")
