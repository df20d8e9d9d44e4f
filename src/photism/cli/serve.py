"""photism serve: an HTTP interface, and the studio in a browser."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from photism.cli.startup import startup
from photism.collection.settings import check_index_libraries
from photism.device import let_threads_sleep
from photism.extras import extras, module_of, require
from photism.prompts.settings import PipelineSettings
from photism.server.settings import AccessSettings, AddressSettings, CollectionSettings, LimitSettings, ModelsSettings

if TYPE_CHECKING:
    from photism.server.access.certificates import Certificate
    from photism.server.collection import Collection
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.registry import ModelRegistry


def serve(
    address: AddressSettings,
    access: AccessSettings,
    limits: LimitSettings,
    drawing_model: PipelineSettings,
    further_models: ModelsSettings,
    search: CollectionSettings,
) -> None:
    """Serve the studio, a page to record, recognise and draw sounds, and an HTTP interface to all models.

    Models are loaded when they are first needed, and leave memory when they are not used. With --collection, visitors
    search a table of photism index.

    Examples:
        photism serve
        photism serve --host 0.0.0.0 --port 8000 --password SECRET
    """
    let_threads_sleep()
    access = access.with_environment()
    access.check_exposure(address)
    _check_installed()
    if search.collection is not None:
        check_index_libraries()
    from photism.server.access.certificates import certificate_of
    from photism.server.app import create_app, open_services
    from photism.server.engine.model_list import read_entries
    from photism.server.engine.registry import ModelRegistry
    from photism.server.operations.log_lines import log_to_stderr
    from photism.server.operations.shutdown import Shutdown
    from photism.server.run import run, server_config

    registry = ModelRegistry((_drawing_entry(drawing_model), *read_entries(further_models)), limits)
    certificate = certificate_of(address, access)
    sockets = address.bind()
    _check_drawing_model(drawing_model)
    collection = None if search.collection is None else _load_collection(search.collection, registry)
    with (
        log_to_stderr(),
        Shutdown() as shutdown,
        open_services(
            registry, address=address, access=access, limits=limits, shutdown=shutdown, collection=collection
        ) as services,
    ):
        app = create_app(services, certificate_names=certificate.names if certificate else ())
        report = partial(_report, address, access, certificate)
        run(server_config(app, certificate, proxies=access.proxy), services, sockets, on_start=report)


def _drawing_entry(settings: PipelineSettings) -> ModelEntry:
    """Return the model that draws. Its name is in answers, which have no paths of the server."""
    from photism.server.engine.entries import ModelEntry

    name = Path(str(settings.model or settings.diffusion or "tiny")).resolve().name
    return ModelEntry(name, "drawing", settings)


def _load_collection(place: str, registry: ModelRegistry) -> Collection:
    """Open the collection, and load the model of its vectors.

    Raises:
        InputError: there is no index, or its model cannot be loaded or is another one.
    """
    from photism.server.collection import Collection

    with startup():
        collection = Collection(place, registry)
        collection.load_model()
    return collection


def _report(address: AddressSettings, access: AccessSettings, certificate: Certificate | None) -> None:
    """Print where the server is."""
    from photism.server.access.certificates import own_addresses

    typer.echo(f"Photism is on {address.url} until Ctrl-C")
    if address.is_wildcard:
        typer.echo(f"Other machines reach it on {' or '.join(map(address.url_of, own_addresses()))}")
    if address.tls_self_signed and certificate is not None:
        typer.echo(f"SHA-256 fingerprint of its certificate, to compare in the browser: {certificate.fingerprint}")
    elif not address.is_https and not access.is_open and not address.is_local():
        typer.echo("The token or password is sent unencrypted: use --tls-cert or --tls-self-signed", err=True)


def _check_drawing_model(settings: PipelineSettings) -> None:
    """Check that the model that draws exists, which is loaded only when it is needed.

    Raises:
        InputError: a folder does not exist, or the bundled model is needed and not installed.
    """
    from photism.hub import bundled_model
    from photism.server.engine.checkpoint_kinds import check_location

    if settings.model is None:
        bundled_model()
    for each in (settings.model, settings.diffusion):
        if each is not None:
            check_location(str(each))


def _check_installed() -> None:
    """Check that the libraries of the server are installed, before a model is loaded.

    Raises:
        InputError: a library is not installed.
    """
    for name in extras()["server"]:
        require(module_of(name), "serve", "server")
