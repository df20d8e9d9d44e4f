"""Address on which the studio is served."""

from __future__ import annotations

import socket

from photism.settings import SettingError, setting, settings


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

    def check_free(self) -> None:
        """Check that the port can be listened on, before the model is loaded, which takes longer.

        Raises:
            SettingError: it cannot.
        """
        try:
            family, *_, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as after a server that has just stopped
                probe.bind(address)
        except OSError as error:
            problem = f"{self.host} {{}} {self.port} cannot be used ({error.strerror}); give another port or host"
            raise SettingError("host", problem, "port") from None
