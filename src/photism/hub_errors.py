"""Why the Hugging Face hub did not provide something, and what to do: no network is not the same as no such model.

The errors of huggingface_hub, of its HTTP library, and of `from_pretrained` of transformers and diffusers, which wrap
them, are recognised by the names of their classes. Both libraries change with the version of huggingface_hub, and
neither is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

LOGIN = "log in with `hf auth login`"
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
UNREACHABLE = {"ConnectError", "NetworkError", "ConnectionError", "RemoteProtocolError", "LocalEntryNotFoundError"}
"""Errors of a connection, and the hub's own where it falls back to the cache and finds nothing there."""
LIBRARIES = {"huggingface_hub", "httpx", "httpx2", "requests"}
"""Libraries that reach the hub."""


def describe_hub_error(error: BaseException, hub_id: str = "") -> str | None:
    """Return why the hub did not provide something, and what to do; None if the error has nothing to do with the hub.

    Args:
        error: what a library raised.
        hub_id: id of the repository, if the hub was asked for one. Without it, an error counts only if a library that
            reaches the hub has raised it.
    """
    links = list(_chain(error))
    if not hub_id and not any(type(link).__module__.partition(".")[0] in LIBRARIES for link in links):
        return None
    names = {kind.__name__ for link in links for kind in type(link).__mro__}
    if "OfflineModeIsEnabled" in names:
        variable = next((each for each in OFFLINE_VARIABLES if os.environ.get(each)), OFFLINE_VARIABLES[0])
        return f"{variable} is set, and the cache does not have it: unset {variable} to download it"
    for name, reason in (
        ("GatedRepoError", f"it is gated: ask for access at {_endpoint()}/{hub_id}, and {LOGIN}"),
        ("DisabledRepoError", "the hub has disabled it"),
        ("RevisionNotFoundError", "the hub has no such revision of it"),
        ("RemoteEntryNotFoundError", "the hub has it, but without a file that is needed"),
        ("RepositoryNotFoundError", _not_found()),
        ("LocalTokenNotFoundError", f"a token is needed: {LOGIN}"),
        ("HFValidationError", "an id of the hub is NAME or OWNER/NAME, of letters, digits and -, _ and ."),
    ):
        if name in names:
            return reason
    for link in links:
        status = getattr(getattr(link, "response", None), "status_code", None)
        if isinstance(status, int):
            return _answered(status)
    if "ProxyError" in names:
        return "the proxy of HTTPS_PROXY cannot be used: check its address"
    if names & {"TimeoutException", "TimeoutError"}:
        return f"{_endpoint()} did not answer in time: check the network, or try again"
    if names & UNREACHABLE:
        return f"{_endpoint()} cannot be reached: check the network"
    is_other = hub_id and isinstance(error, OSError) and error.errno is None  # such as a file of another size
    return str(error).partition("\n")[0] if is_other else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _not_found() -> str:
    """Return that there is no such repository: the hub answers the same about one that is private."""
    if _has_token():
        return "the hub has no repository of this name that your account may read"
    return f"the hub has no repository of this name, or it is private: check the spelling, or {LOGIN}"


def _answered(status: int) -> str:
    if status == 401:
        return f"the hub refused the token (HTTP 401): {LOGIN}"
    if status == 403:
        access = "your account may not do this" if _has_token() else LOGIN
        return f"the hub refused access (HTTP 403): {access}"
    if status == 429:
        return "the hub has had too many requests (HTTP 429): wait some minutes"
    return f"{_endpoint()} answered HTTP {status}: try again later"


def _has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
