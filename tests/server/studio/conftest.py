"""The page in a real browser, on a real server with the bundled models."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.server.serving import served
from tests.support.browsers import WAIT_MS, browsers


@pytest.fixture(scope="package")
def launch() -> Iterator[Callable[..., object]]:
    """Return a function that launches Chromium with further flags.

    The scope ends with this package, which is one for that.
    """
    with browsers() as start:
        yield start


@pytest.fixture(scope="package")
def browser(launch: Callable[..., object]) -> object:
    """Return Chromium with a microphone that beeps, and that pages may use."""
    return launch("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="session")
def studio_services(server_registry: object) -> Iterator[object]:
    """Return the services of a server with the bundled models and the tiny random ones of `server_entries`."""
    from photism.server.app import open_services
    from photism.server.operations.shutdown import Shutdown
    from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

    options = {"address": AddressSettings(), "access": AccessSettings(), "limits": LimitSettings()}
    with open_services(server_registry, **options, shutdown=Shutdown()) as services:
        yield services


@pytest.fixture(scope="session")
def studio_url(studio_services: object) -> Iterator[str]:
    """Return the address of the server of `studio_services`."""
    from photism.server.app import create_app

    with served(create_app(studio_services)) as url:
        yield f"{url}/"


@pytest.fixture
def open_studio(browser: object, studio_url: str) -> Iterator[Callable[..., object]]:
    """Return a function that opens the page in a new context, as a new visitor.

    At the end of the test, no page has logged an error or requested anything from elsewhere. A test in which the server
    refuses something names what its page may log in `allowed_errors`, parts of these messages. `launched` is another
    browser than `browser`, such as one without a microphone.
    """
    contexts, complaints = [], []
    allowed: list[str] = []
    own = {urlsplit(studio_url).netloc}

    def open_page(
        path: str = "",
        *,
        language: str = "en",
        width: int = 1280,
        height: int = 800,
        allowed_errors: tuple[str, ...] = (),
        url: str = studio_url,
        launched: object = browser,
        init_script: str = "",
        **options: object,
    ) -> object:
        allowed.extend(allowed_errors)
        own.add(urlsplit(url).netloc)
        context = launched.new_context(locale=language, viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        context.add_init_script(init_script)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: is_foreign(request.url) and complaints.append(f"requested {request.url}"))
        page.goto(f"{url}{path}")
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    def is_foreign(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme not in ("blob", "data") and parts.netloc not in own

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in complaints if not any(part in each for part in allowed)] == []


@pytest.fixture
def studio(open_studio: Callable[..., object]) -> object:
    """Return the page, opened in English on a desktop."""
    return open_studio()
