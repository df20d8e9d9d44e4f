"""The studio: a page in the browser that draws and says what it hears. It needs the extra ``photism[studio]``."""

from photism.studio.app import build_app, launch

__all__ = ["build_app", "launch"]
