"""Names of the page's files."""

import pytest

from photism.server.studio.files import PageFiles

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def files(tmp_path):
    for folder in ("page", "examples"):
        (tmp_path / folder).mkdir()
    (tmp_path / "examples" / "elephant.en.ogg").write_bytes(b"example")
    (tmp_path / "secret").write_bytes(b"secret")
    return PageFiles(tmp_path / "page", tmp_path / "examples")


def test_a_name_leads_back_to_its_file(files):
    upload = files.new_upload("My diary.OGG")
    assert not upload.exists()
    upload.write_bytes(b"upload")
    name = files.name_of(upload)
    assert name == f"/page/{upload.parent.name}/sound.ogg"
    assert files.path_of(name) == upload
    assert oct(upload.parent.stat().st_mode)[-3:] == "700"
    example = files.path_of("/examples/elephant.en.ogg")
    assert example.read_bytes() == b"example"
    assert files.name_of(example) == "/examples/elephant.en.ogg"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        f"/page/{TOKEN}",
        f"/page/{TOKEN}/",
        f"/page/{TOKEN}/..",
        f"/page/{TOKEN}/../../secret",
        f"/page/{TOKEN}/missing.wav",
        "/page/../secret",
        "/examples/../secret",
        "/examples/..",
        "/examples/",
        "examples/elephant.en.ogg",
        "/examples/elephant.en.ogg\n",
        "http://127.0.0.1/examples/elephant.en.ogg",
    ],
)
def test_other_names_lead_nowhere(files, name):
    (files.folder / TOKEN).mkdir()
    assert files.path_of(name) is None


def test_without_examples_there_are_none(files):
    assert PageFiles(files.folder).path_of("/examples/elephant.en.ogg") is None


@pytest.mark.parametrize(
    ("filename", "kept"), [("a.mp3", ".mp3"), ("a.MP4", ".mp4"), ("a.html", ""), ("a.svg", ""), (None, "")]
)
def test_an_upload_keeps_the_suffix_of_sound_and_video(files, filename, kept):
    assert files.new_upload(filename).name == f"sound{kept}"


def test_answers_have_names_in_place_of_paths(files):
    picture = {
        "path": str(files.folder / TOKEN / "image.png"),
        "url": "http://host/gradio_api/file=/somewhere",
        "size": None,
    }
    other = {"path": "http://elsewhere/image.png"}
    assert files.without_folders([[{"image": picture, "caption": "Seed 1"}], other, None, 0.5], "http://host/root") == [
        [
            {
                "image": {
                    "path": f"/page/{TOKEN}/image.png",
                    "url": f"http://host/root/gradio_api/file=/page/{TOKEN}/image.png",
                    "size": None,
                },
                "caption": "Seed 1",
            }
        ],
        other,
        None,
        0.5,
    ]
