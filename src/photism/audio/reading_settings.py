"""Settings that say how a recording is read."""

from photism.settings import setting, settings


@settings
class ReadingSettings:
    """How recordings are read."""

    allow_private_urls: bool = setting(False, "Download also from loopback, private and link-local addresses.")
