"""Settings of how a job runs."""

import re

import pytest

from photism.jobs.settings import RunSettings
from photism.settings import SettingError, declarations


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ray_workers": 2}, "ray_workers needs ray"),
        ({"ray": "ray://head:10001"}, "ray must be auto or HOST:PORT; got ray://head:10001"),
    ],
)
def test_settings_of_ray_that_cannot_be_used(given, message):
    with pytest.raises(SettingError, match=message):
        RunSettings(**given)


@pytest.mark.parametrize("text", ["auto", "local", "head:6379", "10.0.0.7:6379", "ray://head:10001"])
def test_addresses_that_follow_the_flag(text):
    assert re.fullmatch(declarations(RunSettings)["ray"].follows, text)


@pytest.mark.parametrize("text", ["sounds", "a.wav", "s3://bucket/a.wav", "https://x.org:80/a.wav", "-o", "C:/a.wav"])
def test_recordings_that_follow_the_flag_are_none(text):
    assert not re.fullmatch(declarations(RunSettings)["ray"].follows, text)
