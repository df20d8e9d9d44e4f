"""The one exception for a user's mistake."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class InputError(ValueError):
    """Something that the caller gave cannot be used.

    The message names the parameter, what was allowed, what came and what to do. The command line prints it as one line
    and exits with status 2.
    """


@contextmanager
def as_input_error(what: str) -> Generator[None]:
    """Makes one error of all that a library raises at files which it cannot use.

    `from_pretrained` of transformers and diffusers has no error of its own: OSError, SafetensorError, KeyError,
    RuntimeError and others come out of it, and strict configurations have errors that are none of these.

    Args:
        what: is the matter, such as "model talk cannot be loaded"; the library's own words follow.

    Raises:
        InputError: something was raised; one that says it already goes by.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{what}: {error}") from error
