import pytest

from photism.training.data.captions import caption_columns, captions_of_labels, captions_of_row, captions_of_text


@pytest.mark.parametrize(
    ("labels", "caption"),
    [
        ("Gunshot_and_gunfire,Explosion", "Gunshot and gunfire Explosion"),
        ("Piano,Keyboard_(musical),Musical_instrument,Music", "Piano Keyboard musical Musical instrument Music"),
        (["Rain", "Wind"], "Rain Wind"),
        ("Fire", "Fire"),
    ],
)
def test_labels_are_cleaned_as_audio2img_does(labels, caption):
    assert captions_of_labels(labels) == (caption,)


def test_templates_of_all_labels_and_of_each():
    assert captions_of_labels("Rain,Wind", "the sound of {labels}") == ("the sound of Rain Wind",)
    assert captions_of_labels("Rain,Keyboard_(musical)", "a {label}.") == ("a Rain.", "a Keyboard musical.")
    assert captions_of_labels("") == captions_of_labels(", ,", "{label}") == ()


def test_texts():
    assert captions_of_text(" a  koala\n") == ("a koala",)
    assert captions_of_text(["a koala", "", None, "a koala", "a bear"]) == ("a koala", "a bear")
    assert captions_of_text(None) == captions_of_text(" ") == ()


@pytest.mark.parametrize(
    ("row", "captions"),
    [
        ({"text": "a koala", "labels": "Fire"}, ("Fire",)),
        (
            {"description": "Recorded with a Zoom H4n.", "labels": "Keyboard_(musical),Music"},
            ("Keyboard musical Music",),
        ),
        ({"text": "a koala", "label": 3, "category": "animal"}, ("a koala",)),
        ({"text": "a koala", "labels": []}, ("a koala",)),
        ({"text": "", "labels": "Fire,Wind"}, ("Fire Wind",)),
        ({"text": 5}, ("5",)),
        ({"label": 0}, ("0",)),
        ({"labels": [1, "Wind"]}, ("1 Wind",)),
        ({}, ()),
    ],
)
def test_rows(row, captions):
    assert captions_of_row(row) == captions


FSD50K = {
    "title": "Piano.wav",
    "mids": "/m/05r5c",
    "description": "Recorded with a Zoom H4n at my uncle's place. Please credit me.",
    "tags": ["piano"],
    "license": "http://creativecommons.org/licenses/by/3.0/",
    "uploader": "someone",
    "split": None,
    "labels": "Piano,Keyboard_(musical),Musical_instrument,Music",
}


@pytest.mark.parametrize(
    ("named", "captions", "columns"),
    [
        ({}, ("Piano Keyboard musical Musical instrument Music",), (("labels",), ("description",))),
        ({"text_columns": ("labels",)}, ("Piano Keyboard musical Musical instrument Music",), (("labels",), ())),
        ({"text_columns": ("title", "tags")}, ("Piano.wav", "piano"), (("title", "tags"), ())),
        ({"label_column": "mids"}, ("/m/05r5c",), (("mids",), ())),
        (
            {"label_column": "labels", "label_template": "a {label}"},
            ("a Piano", "a Keyboard musical", "a Musical instrument", "a Music"),
            (("labels",), ()),
        ),
    ],
)
def test_labels_precede_free_text_unless_columns_are_named(named, captions, columns):
    assert captions_of_row(FSD50K, **named) == captions
    assert (
        caption_columns(FSD50K, **{name: each for name, each in named.items() if name != "label_template"}) == columns
    )
