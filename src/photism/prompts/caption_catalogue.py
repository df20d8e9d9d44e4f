"""What a model can draw: its captions with their translations, the languages that it understands, and thumbnails.

Next to `captions.json`, the folder of a model may have `caption_catalogue.json`, each part of which may be missing:

    {"languages": ["en", "fr"], "thumbnails": {"tile_pixels": 64, "columns": 32}}

`languages` are those in which the captions can be spoken. `thumbnails` is the layout of `caption_thumbnails.webp`: a
square image of each caption, row by row, as many as there are captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from photism.errors import InputError
from photism.json_files import read_json_object
from photism.prompts.caption_translations import ENGLISH, CaptionTranslations, plain_words
from photism.prompts.model_files import CAPTION_FILES, CATALOGUE, THUMBNAILS, find_model, load_captions
from photism.settings import SettingError

MAX_PIXELS = 2**24
"""Most pixels of a sheet of thumbnails, which every visitor's browser decodes."""


class Thumbnails(NamedTuple):
    """A sheet of small images, one of each caption.

    Attributes:
        path: the file, WebP.
        tile_pixels: width and height of each image.
        columns: images in a row.
    """

    path: Path
    tile_pixels: int
    columns: int


class CaptionCatalogue(NamedTuple):
    """The captions of a model and what is known about them.

    Attributes:
        captions: what the model recognises.
        translations: for each language the translations of the captions, in their order; None where there is none.
        languages: languages in which the captions can be spoken; None if the model does not say so.
        thumbnails: small images of the captions; None if the model has none.
    """

    captions: tuple[str, ...]
    translations: Mapping[str, Sequence[str | None]]
    languages: tuple[str, ...] | None
    thumbnails: Thumbnails | None


def read_catalogue(model: str | Path | None) -> CaptionCatalogue:
    """Read the catalogue of a model, without its weights.

    Args:
        model: folder or hub id; None for the bundled model.

    Raises:
        InputError: the model does not exist, or a file of the catalogue is damaged.
    """
    folder = find_model(model, files=CAPTION_FILES)
    captions = load_captions(folder)
    translations = CaptionTranslations.read(folder, captions).translations
    path = folder / CATALOGUE
    described = read_json_object(path, f"model {folder}") if path.exists() else {}
    languages = described.get("languages")
    if languages is not None and not _is_texts(languages):
        raise InputError(f"{path}: languages must be a list of texts; got {languages!r:.40}")
    layout = described.get("thumbnails")
    return CaptionCatalogue(
        captions,
        translations,
        None if languages is None else tuple(languages),
        None if layout is None else _read_thumbnails(folder, layout, count=len(captions)),
    )


def find_captions(
    catalogue: CaptionCatalogue, words: Sequence[str] = (), *, language: str | None = None
) -> CaptionCatalogue:
    """Return the captions in which words occur, with their translations and without thumbnails.

    A word occurs where a word of the caption begins with it; case and accents are ignored.

    Args:
        catalogue: captions of a model.
        words: words that must all occur; all captions are returned without any.
        language: code of the language in which the words are searched for. Only captions with a translation into it are
            returned, with that translation alone. By default the words are searched for in the captions themselves,
            which are English, and all translations are returned.

    Raises:
        SettingError: there are no translations into the language.
    """
    spelled = {ENGLISH: catalogue.captions, **catalogue.translations}
    if language is not None and language not in spelled:
        raise SettingError("language", f"must be one of {', '.join(sorted(spelled))}; got {language}")
    texts = spelled[language or ENGLISH]
    wanted = plain_words(" ".join(words))
    found = [index for index, text in enumerate(texts) if text is not None and _has_words(text, wanted)]
    kept = catalogue.translations if language is None else {language: texts}
    return CaptionCatalogue(
        tuple(catalogue.captions[index] for index in found),
        {each: [translations[index] for index in found] for each, translations in kept.items() if each != ENGLISH},
        catalogue.languages,
        None,
    )


def _has_words(text: str, beginnings: Sequence[str]) -> bool:
    words = plain_words(text)
    return all(any(word.startswith(beginning) for word in words) for beginning in beginnings)


def _read_thumbnails(folder: Path, layout: Any, *, count: int) -> Thumbnails:
    """Return the thumbnails of a model after comparing their layout with the size of the sheet."""
    from PIL import Image, UnidentifiedImageError

    values = cast("dict[str, Any]", layout) if isinstance(layout, dict) else {}
    tile, columns = values.get("tile_pixels"), values.get("columns")
    if not (isinstance(tile, int) and isinstance(columns, int) and tile > 0 and columns > 0):
        raise InputError(f"{folder / CATALOGUE}: thumbnails must have tile_pixels and columns, whole numbers from 1")
    path = folder / THUMBNAILS
    try:
        with Image.open(path, formats=["WEBP"]) as sheet:
            width, height = sheet.size
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{path} must be a WebP image: {error}") from None
    expected = tile * columns, tile * -(-count // columns)
    if (width, height) != expected or width * height > MAX_PIXELS:
        raise InputError(
            f"{path} must have {expected[0]} x {expected[1]} pixels, {columns} tiles of {tile} pixels in a row for "
            f"{count} captions, and at most {MAX_PIXELS:,} pixels; it has {width} x {height}"
        )
    return Thumbnails(path, tile, columns)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast("list[Any]", value))
