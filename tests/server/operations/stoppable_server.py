"""A server for `test_shutdown.py`, with a model that computes what the test says.

    python -m tests.server.operations.stoppable_server FOLDER GRACE_S LIMIT_S

It begins when it reads a line, and prints its port when it accepts connections. FOLDER is where its private folder is
made.
"""

import sys
import tempfile
import threading
import time

from fastapi import Request

from photism.server.answers.run import run_for
from photism.server.app import create_app, open_services
from photism.server.engine.kinds import KINDS, Kind
from photism.server.engine.registry import ModelRegistry
from photism.server.operations.log_lines import log_to_stderr
from photism.server.operations.shutdown import Shutdown
from photism.server.run import run, server_config
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

FOREVER_S = 60.0
STEP_S = 0.02


def wait_for_line(model: object, ticket: object) -> dict[str, str]:
    return {"line": sys.stdin.readline()}


def step_forever(model: object, ticket: object) -> None:
    while True:
        ticket.report(0, 1)
        time.sleep(STEP_S)


def hang(model: object, ticket: object) -> None:
    time.sleep(FOREVER_S)


WORKS = {"line": wait_for_line, "steps": step_forever, "hang": hang}


def main(folder: str, grace_s: str, limit_s: str) -> None:
    """Serve until a signal."""
    tempfile.tempdir = folder
    address, access, limits = AddressSettings(), AccessSettings(), LimitSettings()
    registry = ModelRegistry((), limits, kinds={**KINDS, "drawing": Kind("drawing", object, lambda _: object())})
    entry = registry.find("drawing")
    with (
        log_to_stderr(),
        Shutdown(grace_s=float(grace_s), limit_s=float(limit_s)) as shutdown,
        open_services(registry, address=address, access=access, limits=limits, shutdown=shutdown) as services,
    ):
        if sys.stdin.readline() == "load\n":  # before it serves
            print("loading", flush=True)
            time.sleep(FOREVER_S)
        app = create_app(services)

        @app.get("/work/{name}")
        async def compute(request: Request, name: str) -> object:
            services.storage.new_upload().write_bytes(b"private")
            if name == "hang":  # such as a download in a thread that nobody can end
                threading.Thread(target=time.sleep, args=(FOREVER_S,)).start()
            print("begun", flush=True)
            return await run_for(request, entry, WORKS[name])

        object.__setattr__(address, "port", 0)
        sockets = address.bind()
        port = sockets[0].getsockname()[1]
        run(server_config(app), services, sockets, on_start=lambda: print(port, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
