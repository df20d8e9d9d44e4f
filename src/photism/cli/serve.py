"""photism serve: the studio in a browser, and its HTTP endpoint."""

import typer

from photism.cli.startup import load_pipeline
from photism.errors import InputError
from photism.prompts.settings import PipelineSettings
from photism.server.address import AddressSettings


def serve(address: AddressSettings, models: PipelineSettings) -> None:
    """Open the studio, a page to record, recognise and draw sounds.

    Examples:
        photism serve
        photism serve --host 0.0.0.0 --port 8000 --device cuda
    """
    if models.ip_adapter is not None:
        raise InputError("--ip-adapter cannot be used in the studio, which takes no style image")
    address.check_free()
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
