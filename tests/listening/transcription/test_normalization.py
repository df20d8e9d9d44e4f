import pytest

from photism.errors import InputError
from photism.listening.transcription.normalization import Normalizer


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ({}, "  Don’t — STOP, he said: well-known… ", "don't stop he said well-known"),
        ({}, "'quoted' e\u0301te\u0301 50 % 10:30", "quoted été 50 10 30"),
        ({}, "a\u00adb ক\u09cdষ", "ab ক\u09cdষ"),  # a soft hyphen goes, a mark stays
        ({"lowercase": False}, "Straße A|B", "Straße A B"),
        ({"keep_punctuation": True}, "Stop, now!", "stop, now!"),
        ({"remove": "él"}, "e\u0301l no", "no"),
        ({"remove": r"\[.*?\]"}, "[noise] hello [laughs]", "hello"),
    ],
)
def test_settings(settings, text, expected):
    assert Normalizer(**settings)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ինչո՞ւ Հա՛, կե՜նաց:Այո", "ինչու հա կենաց այո"),  # Armenian marks of intonation are within the word
        ("col·lecció coŀlecció", "col·lecció col·lecció"),
        ("EU:n S:t Erik. Note: this", "eu:n s:t erik note this"),
        ("צה״ל צה\"ל ג'ירפה צ׳ בית־ספר", "צה״ל צה״ל ג׳ירפה צ׳ בית-ספר"),
        ("п’ять п'ять пʼять", "п'ять п'ять п'ять"),
        ("ałkʼidą́ą́ʼ", "ałk'idą́ą́ʼ"),  # U+02BC is a letter, which may begin or end a word
        ("ŉ hond, 'n hond", "n hond n hond"),
        ("ʻOkina Hawaiʻi", "ʻokina hawaiʻi"),
        ("हिन्दी-भाषा राम।", "हिन्दी-भाषा राम"),
        ("他说:你好 让·雅克 ジャン・ジャック", "他说 你好 让 雅克 ジャン ジャック"),
        ("λέξη· άλλη", "λέξη άλλη"),
        ("ሰላም፡ለዓለም።", "ሰላም ለዓለም"),
        ("བོད་ཡིག།", "བོད ཡིག"),
        ("5:n 1:a 3:16a, s·hens", "5:n 1:a 3 16a s·hens"),
        ("τις·άλλη 한·미 l•l L∙L", "τις άλλη 한 미 l·l l·l"),  # the interpunct divides words in Greek and Korean
        ("'שלום' אמר ר' משה ‘ג'ירפה’ וכו'", "שלום אמר ר׳ משה ג׳ירפה וכו׳"),  # quotes are no geresh
        ("don‛t μ΄αρέσει κ᾽ἐγώ ʼn hond", "don't μ'αρέσει κ'ἐγώ n hond"),
        ("၎င်း၏၊ သွား၍။", "၎င်း၏ သွား၍"),  # Burmese symbols that are read as words
        ("ᐃ᐀ᓄ", "ᐃ-ᓄ"),
        ("ma˥˧ U.S.A. stop.Then R&B foo_bar", "ma˥˧ u s a stop then r b foo bar"),
    ],
)
def test_punctuation_within_words(text, expected):
    assert Normalizer()(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ភាសា\u200bខ្មែរ", "ភាសា ខ្មែរ"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("می\u200c\u200f\u200cخواهم \u200cx\u200c", "می\u200cخواهم x"),
        ("Auf\u200clage", "auflage"),
        ("क्\u200dष अ\u200dब න්\u200d", "क्\u200dष अब න්\u200d"),
        ("র\u200d\u09cdযাব ರ\u200d\u0ccdಕ", "র\u200d\u09cdযাব ರ\u200d\u0ccdಕ"),
        ("മ\u200dന അവന\u0d4d\u200d ত\u09cd\u200d", "മന അവ\u0d7b \u09ce"),
        ("ᠮᠣᠩᠭᠣᠯ\u180eᠠ\u180e a\u180eb", "ᠮᠣᠩᠭᠣᠯ\u180eᠠ ab"),
        ("เเม่ น\u0e4d\u0e49า ນ\u0ecdາ", "แม่ น\u0e49\u0e33 ນ\u0eb3"),
        ("Ⅻ ⽇本", "xii 日本"),
        ("\ufeff\u202bكتــــاب\u202c ﻛﺘﺎﺏ", "كتاب كتاب"),
        ("ＡＢＣ ｶﾞ ﬁn 𝐛𝐨𝐥𝐝", "abc ガ fin bold"),
        ("ก\u0e33", "ก\u0e33"),  # NFKC would take it apart
        ("❤\ufe0f 1\ufe0f\u20e3 👨\u200d👩 ok", "1 ok"),
        ("\u1112\u1161\u11ab e\u0300\u0323", "한 ẹ\u0300"),
    ],
)
def test_characters_that_are_invisible_or_have_several_spellings(text, expected):
    assert Normalizer()(text) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("tr", "İstanbul'da ILIK IŞIK", "istanbul'da ılık ışık"),
        ("az-Latn-AZ", "QIZIL İP", "qızıl ip"),
        (None, "İstanbul I\u0307zmir i\u0307yi", "istanbul izmir iyi"),
        ("tr", "i\u0307yi I\u0307zmir", "iyi izmir"),
        ("lt", "i\u0307\u0301 Ė", "í ė"),
        ("ga", "An tAthair nÓg Nathair", "an t-athair n-óg nathair"),
        ("kaa", "QIZIL İ", "qızıl i"),
        (None, "ΟΔΟΣ ΣΟΦΟΣ Straße ẞ", "οδος σοφος straße ß"),
        (None, "ΣΑΣ.ΝΑ Ο.Σ.Ε.", "σας να ο σ ε"),  # a full stop without a space after it
        (None, "ᲥᲐᲠᲗᲣᲚᲘ ᏣᎳᎩ", "ქართული ᏣᎳᎩ"),
    ],
)
def test_letter_case_of_languages(language, text, expected):
    assert Normalizer(language=language)(text) == expected


def test_points_of_arabic_and_hebrew_are_kept_unless_they_are_to_be_dropped():
    text = "كُتُب שָׁלוֹם"
    assert Normalizer()(text) == text
    assert Normalizer(drop_points=True)(text) == "كتب שלום"


def test_normalising_twice_changes_nothing():
    for text in ("ŉ hond", 'İ I צה"ל', "क्\u200dष", "Don’t — STOP", "coŀlecció EU:n", "ﷺ", "Σ.Α", "'ש' ר'"):
        once = Normalizer()(text)
        assert Normalizer()(once) == once


def test_dropped_characters_are_counted():
    counts = Normalizer().dropped("Don’t, stop — “x”\u200f… I:n…")
    assert counts == {",": 1, "“": 1, "”": 1, "\u200f": 1, "…": 2}
    assert Normalizer(keep_punctuation=True).dropped("a,\u200f") == {"\u200f": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"remove": "("}, r"remove must be a regular expression; '\(' is not"),
        ({"language": "t1"}, "text_language must be a language tag such as tr or tr-TR; got 't1'"),
    ],
)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(InputError, match=message):
        Normalizer(**settings)
