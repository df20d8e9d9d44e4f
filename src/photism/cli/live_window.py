"""Window of a live drawing, by pygame-ce: the picture as large as it fits, its caption, and keys."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from photism.errors import InputError
from photism.extras import missing

if TYPE_CHECKING:
    from PIL.Image import Image

Action: TypeAlias = Literal["quit", "full screen", "caption", "record", "freeze"]

TITLE = "Photism"
SIDE = 640
"""Width and height of a new window, in pixels of the screen."""
FRAMES_PER_S = 60
CAPTION_HEIGHT = 1 / 18
"""Height of the caption, as a fraction of that of the window."""
CAPTION_COLOUR, FIELD_COLOUR, RECORDING_COLOUR = (255, 255, 255), (0, 0, 0, 170), (230, 50, 50)
UNSEEN_DRIVERS = ("offscreen", "dummy")
"""Video drivers of SDL that draw to memory, which it falls back to without a screen."""
REMEDY = "omit it with --no-display, and record a film with --record FILE.mp4"


class LiveWindow:
    """A window that shows pictures and returns the actions of its keys.

    Args:
        full_screen: whether it begins in full screen.

    Raises:
        InputError: pygame-ce is not installed, or there is no screen.
    """

    def __init__(self, *, full_screen: bool = False) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # which would be printed to standard output
        os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
        try:
            import pygame
        except ImportError:
            raise InputError(f"{missing('pygame', 'the window', 'live')}; or {REMEDY}") from None
        self._pygame: Any = pygame
        try:
            pygame.display.init()
            self._check_driver(pygame.display.get_driver())
            self._window = pygame.Window(TITLE, (SIDE, SIDE), resizable=True, allow_high_dpi=True)
            self._window.get_surface()
        except pygame.error as error:
            raise InputError(f"there is no screen for the window ({error}); {REMEDY}") from None
        pygame.font.init()
        self._clock = pygame.time.Clock()
        self._is_full_screen = False
        self._keys: dict[int, Action] = {
            pygame.K_f: "full screen",
            pygame.K_F11: "full screen",
            pygame.K_c: "caption",
            pygame.K_r: "record",
            pygame.K_SPACE: "freeze",
            pygame.K_q: "quit",
            pygame.K_ESCAPE: "quit",
        }
        if full_screen:
            self.toggle_full_screen()

    def toggle_full_screen(self) -> None:
        """Change between full screen and window."""
        self._is_full_screen = not self._is_full_screen
        if self._is_full_screen:
            self._window.set_fullscreen(desktop=True)
        else:
            self._window.set_windowed()
        self._pygame.mouse.set_visible(not self._is_full_screen)

    def actions(self) -> Iterator[Action]:
        """Wait for the next frame of the screen, and yield the actions of the keys that were pressed meanwhile."""
        self._clock.tick(FRAMES_PER_S)
        for event in self._pygame.event.get():
            if event.type in (self._pygame.QUIT, self._pygame.WINDOWCLOSE):
                yield "quit"
            elif event.type == self._pygame.KEYDOWN and event.key in self._keys:
                yield self._keys[event.key]

    def show(self, image: Image | None, caption: str | None = None, *, is_recording: bool = False) -> None:
        """Show a picture in the middle, with black around it."""
        surface = self._window.get_surface()
        surface.fill((0, 0, 0))
        if image is not None:
            scaled = fitted(image, surface.get_size())
            shown = self._pygame.image.frombuffer(scaled.tobytes(), scaled.size, "RGB")
            surface.blit(shown, shown.get_rect(center=surface.get_rect().center))
        if caption:
            self._write(surface, caption)
        if is_recording:
            radius = max(4, surface.get_height() // 90)
            self._pygame.draw.circle(surface, RECORDING_COLOUR, (3 * radius, 3 * radius), radius)
        self._window.flip()

    def close(self) -> None:
        """Close the window."""
        self._window.destroy()
        self._pygame.font.quit()
        self._pygame.display.quit()

    def _check_driver(self, driver: str) -> None:
        """Refuse a driver that nobody sees, unless the environment names it."""
        named = os.environ.get("SDL_VIDEODRIVER", "").lower().split(",")
        if driver in UNSEEN_DRIVERS and driver not in named:
            self._pygame.display.quit()
            raise self._pygame.error(f"SDL found only its driver {driver}")

    def _write(self, surface: Any, caption: str) -> None:
        """Write a caption at the bottom, on a dark field, so that it can be read on any picture."""
        width, height = surface.get_size()
        size = max(12, round(CAPTION_HEIGHT * height))
        font = self._pygame.font.Font(None, size)
        text = font.render(caption, True, CAPTION_COLOUR, wraplength=round(0.9 * width))
        place = text.get_rect(midbottom=(width // 2, round(0.96 * height)))
        field = self._pygame.Surface(place.inflate(size, size // 2).size, self._pygame.SRCALPHA)
        field.fill(FIELD_COLOUR)
        surface.blit(field, field.get_rect(center=place.center))
        surface.blit(text, place)


def fitted(image: Image, size: tuple[int, int]) -> Image:
    """Scale an RGB image so that it fits into a size and keeps its shape.

    One that fits several times is enlarged by a whole number, so that its pixels stay sharp.
    """
    from PIL.Image import Resampling

    scale = min(size[0] / image.width, size[1] / image.height)
    is_small = scale >= 2
    scale = int(scale) if is_small else scale
    width, height = (max(1, round(scale * side)) for side in image.size)
    return image.resize((width, height), Resampling.NEAREST if is_small else Resampling.BICUBIC)


@contextmanager
def open_window(*, full_screen: bool) -> Generator[LiveWindow]:
    """Open a window, and close it at the end of the block."""
    window = LiveWindow(full_screen=full_screen)
    try:
        window.show(None)
        yield window
    finally:
        window.close()
