"""Settings that say how a recording is read: from where, which track and channel, and whether it must be whole."""

from __future__ import annotations

from collections.abc import Iterable
from warnings import warn

from photism.errors import InputError, RecordingWarning
from photism.settings import SettingError, setting, settings

SIDES = {"left": 1, "right": 2}


def _number_or_word(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


@settings(group="input")
class ReadingSettings:
    """Settings for reading recordings."""

    track: int | str | None = setting(
        None,
        "Audio track to read, as its number from 1 or its language, such as fra. Default: the one FFmpeg chooses.",
        metavar="N|LANGUAGE",
        parse=_number_or_word,
    )
    channel: int | str | None = setting(
        None,
        "Channel to read: left, right, or its number from 1. Default: the mean of all channels.",
        metavar="left|right|N",
        parse=_number_or_word,
    )
    strict: bool = setting(
        False, "Treat a recording that is truncated or damaged as unreadable, instead of warning of what is missing."
    )
    allow_private_urls: bool = setting(
        False, "Download also from loopback, private and link-local addresses.", is_field=False
    )

    def check(self) -> None:
        """Check the track and the channel.

        Raises:
            SettingError: one is a number below 1, or the channel is another word than left and right.
        """
        if isinstance(self.track, int) and self.track < 1:
            raise SettingError("track", f"must be at least 1, or a language; got {self.track}")
        if self.channel is not None and (
            self.channel < 1 if isinstance(self.channel, int) else self.channel not in SIDES
        ):
            raise SettingError("channel", f"must be left, right, or a number from 1; got {self.channel}")

    @property
    def channel_number(self) -> int | None:
        """Number of the channel to read, from 1; None for the mean of all."""
        return SIDES[self.channel] if isinstance(self.channel, str) else self.channel

    def report(self, name: str, messages: Iterable[str]) -> None:
        """Warn of what is missing in a recording.

        Args:
            name: name of the recording.
            messages: sentences without a subject.

        Raises:
            InputError: there is a message, and `strict` is set.
        """
        for message in messages:
            if self.strict:
                raise InputError(f"{name}: {message}; omit strict to use the rest")
            warn(f"{name}: {message}", RecordingWarning, stacklevel=3)
