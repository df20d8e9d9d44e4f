"""Settings of a live drawing, checked before a model is loaded."""

from __future__ import annotations

from photism.drawing.settings import ImageSettings
from photism.seeds import expand_seeds
from photism.settings import setting, settings


@settings(group="motion")
class LiveSettings(ImageSettings):
    """Settings of a live drawing."""

    batch_size: int = setting(
        1,
        "Number of images generated at once: each picture is one of the newest sound.",
        minimum=1,
        maximum=1,
        is_flag=False,
        is_field=False,
        group="speed",
    )
    window_s: float = setting(
        6.0,
        "Length of the longest speech that is encoded into one prompt; of longer speech, the newest part is. Music is "
        "encoded in windows of a third of it.",
        unit="seconds",
        minimum=0.5,
        field_maximum=30,
        flag="--window",
    )
    fps: float = setting(
        12.0,
        "Highest number of pictures a second. A slower machine draws fewer, always of the newest sound.",
        unit="pictures per second",
        above=0,
        maximum=60,
    )
    fade_s: float = setting(
        0.15,
        "Duration of the cross-fade from the prompt of one word to that of the next; that of music takes a second.",
        unit="seconds",
        minimum=0,
        maximum=5,
        flag="--fade",
    )
    unknown: bool = setting(
        False,
        "Draw also what the model does not know, such as music, as what is nearest to it. By default it leaves the "
        "picture as it is.",
        group="prompt",
    )
    noise: float = setting(
        1.0,
        "Speed at which the initial noise drifts, and is pushed by onsets: 1 gives another image after half a minute "
        "of silence or about four strong beats, 0 keeps the noise fixed.",
        minimum=0,
        field_maximum=100,
    )
    zoom: float = setting(
        0.1,
        "Zoom at the highest loudness and the strongest pulse of onsets, as a fraction: 0.1 enlarges the image by a "
        "tenth, 0 disables it.",
        minimum=0,
        field_maximum=10,
    )
    seed: int = setting(
        0, "Random seed of the initial noise; the same seed gives the same pictures.", minimum=0, group="generation"
    )

    def check(self) -> None:
        """Check the settings that depend on one another.

        Raises:
            SettingError: one cannot be used with another, or the seed is too large.
        """
        super().check()
        expand_seeds(self.seed, 1)
