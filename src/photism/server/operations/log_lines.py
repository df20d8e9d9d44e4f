"""Log records as lines of JSON on the error stream, one line a record whatever it quotes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

LOGGERS = ("photism.server", "uvicorn")
"""Loggers of the server and of the library that speaks HTTP."""

NO_ERRORS = frozenset(
    {
        # of a WebSocket that was refused with an answer, as ASGI's extension for that allows
        "ASGI callable returned without completing handshake.",
        # of a message that a client has sent, with a traceback for each
        "Invalid UTF-8 sequence received from client.",
    }
)
"""What uvicorn logs as an error, and is none of the server's."""


class JsonLine(logging.Formatter):
    """Format a record as an object of JSON, which holds the `fields` of the record or otherwise its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII: it has no line breaks and no control characters."""
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {"time": time.isoformat(timespec="milliseconds"), "level": record.levelname.lower()}
        fields = getattr(record, "fields", None)
        if fields is None:
            fields = {"logger": record.name, "message": record.getMessage().strip()}
        line |= fields
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@contextmanager
def log_to_stderr() -> Generator[None]:
    """Write the log of the server, from INFO on, to the error stream as long as the block lasts."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine())
    handler.addFilter(lambda record: record.getMessage() not in NO_ERRORS)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if logger.name != "uvicorn" else logging.WARNING)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (old_level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old_level)
            logger.propagate = propagate
