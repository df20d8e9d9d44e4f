import pytest

from photism.training.data.captions import captions_of_labels, captions_of_row, captions_of_text


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
        ({"text": "a koala", "labels": "Fire"}, ("a koala",)),
        ({"text": "", "labels": "Fire,Wind"}, ("Fire Wind",)),
        ({"text": 5}, ("5",)),
        ({"label": 0}, ("0",)),
        ({"labels": [1, "Wind"]}, ("1 Wind",)),
        ({}, ()),
    ],
)
def test_rows(row, captions):
    assert captions_of_row(row, text_columns=None, label_template="{labels}") == captions
