"""Names of output files, of any name of a recording."""

import pytest

from photism.errors import InputError
from photism.output_files import check_png, plan_files, printable, sound_stem, without_credentials


def plan(*inputs, output, count=1):
    return plan_files(inputs, str(output), ".png", flag="-o", force=False, count=count, check=check_png)


def test_a_folder_is_created_if_its_name_ends_in_a_slash(tmp_path):
    assert plan("a.ogg", output=f"{tmp_path}/new/deep/", count=2) == [
        [tmp_path / "new/deep/a-1.png", tmp_path / "new/deep/a-2.png"]
    ]
    assert (tmp_path / "new/deep").is_dir()


def test_inputs_of_one_name_leave_no_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"^x/a\.ogg and y/a\.ogg would both be written"):
        plan("x/a.ogg", "y/a.ogg", output=f"{tmp_path}/new/")
    assert not (tmp_path / "new").exists()


def test_a_message_names_what_was_given_and_not_a_numbered_file(tmp_path):
    with pytest.raises(InputError, match=r"created if its name ends in a slash; got .*/bananas$"):
        plan("a.ogg", output=tmp_path / "bananas", count=2)


@pytest.mark.parametrize(
    ("sound", "stem"),
    [
        ("a/b c.ogg", "b c"),
        ("a/b", "b"),
        ("caf\udce9.ogg", "caf\udce9"),
        ("https://user:secret@host/a%20b.ogg?token=secret#1", "a b"),
        ("http://host", "sound"),
        ("http://[::1/a.ogg", "a"),
        ("http://host/a%00b.ogg", "ab"),
    ],
)
def test_the_stem_of_a_file_or_url(sound, stem):
    assert sound_stem(sound) == stem


def test_control_characters_are_escaped():
    assert printable("a\nb\x1b[31m\u2028é \\n.ogg") == r"a\nb\u001b[31m\u2028é \n.ogg"


def test_credentials_are_removed_from_each_url_of_a_chain():
    url = "zip://a/b.wav::simplecache::s3://user:pass@bucket/a.zip?token=1"
    assert without_credentials(url) == "zip://a/b.wav::simplecache::s3://bucket/a.zip?token=***"
    assert without_credentials("http://me:pass@[::1]/a.wav") == "http://[::1]/a.wav"
