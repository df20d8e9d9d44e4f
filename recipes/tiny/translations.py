"""Write the captions of the bundled model in other languages, as people translated them for Tux Paint.

    python -m recipes.tiny.translations

writes `caption_translations.json`, by which `photism search` takes “un hibou” for the caption “An owl.”.
"""

from __future__ import annotations

import json

from photism.prompts.model_files import TRANSLATIONS
from recipes.tiny.corpus import fetch, read_captions
from recipes.tiny.export import FOLDER

LANGUAGES = (
    *("be", "bg", "ca", "cs", "da", "de", "el", "es", "fi", "fr", "hr", "hu", "it", "ja", "ko", "lt", "nb", "nl", "pl"),
    *("pt", "ro", "ru", "sk", "sl", "sv", "tr", "uk", "zh_CN"),
)
"""Languages of the recordings, and others with translations of most captions, as Tux Paint abbreviates them."""


def read_translations() -> dict[str, list[str | None]]:
    """Return the translations of `read_captions` by language; None where there is none."""
    found: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for path in sorted(fetch().rglob("*.txt")):
        caption, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            language, is_translation, text = line.partition(".utf8=")
            if is_translation and language in found and text.strip():
                found[language].setdefault(caption.strip(), text.strip())
    return {language: [texts.get(caption) for caption in read_captions()] for language, texts in found.items()}


def main() -> None:
    translations = read_translations()
    (FOLDER / TRANSLATIONS).write_text(json.dumps(translations, ensure_ascii=False, indent=0) + "\n", encoding="utf8")
    for language, texts in translations.items():
        print(f"{language}: {sum(text is not None for text in texts)} of {len(texts)} captions")


if __name__ == "__main__":
    main()
