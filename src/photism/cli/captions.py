"""photism captions: print what a model recognises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from photism.cli import options as option
from photism.errors import InputError
from photism.hub import BUNDLED
from photism.settings import setting, settings

if TYPE_CHECKING:
    from photism.prompts.caption_catalogue import CaptionCatalogue


@settings(group="output")
class CaptionListSettings:
    """Which captions are printed."""

    model: str | None = setting(
        None, "Folder or hub id of a Photism model. Default: the bundled model.", metavar="FOLDER|ID", group="model"
    )
    language: str | None = setting(
        None,
        "Language, such as fr, of the translations that are printed and that the words are searched for in. Default: "
        "the captions themselves, in English.",
        metavar="CODE",
    )


def captions(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD", help="Beginnings of words; captions that have all of them are printed."),
    ] = None,
    *,
    settings: CaptionListSettings,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object of the captions, their translations and languages.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Print the captions that a model recognises, one on each line.

    `draw` and `film` generate images of these things, and `hear` ranks them. `search` also finds them by their
    translations, which are in more languages than the model recognises in recordings.

    Examples:
        photism captions bear
        photism captions --language fr
    """
    from photism.prompts.caption_catalogue import find_captions, read_catalogue

    catalogue = read_catalogue(settings.model)
    if not catalogue.captions:
        raise InputError(f"model {settings.model} has no list of captions")
    found = find_captions(catalogue, words or (), language=settings.language)
    if words and not found.captions:
        raise InputError(
            f"none of the {len(catalogue.captions)} captions has {' and '.join(words)}; {_remedy(catalogue, words)}"
        )
    if as_json:
        fields = {"model": settings.model or BUNDLED, **found._asdict()}
        del fields["thumbnails"]
        typer.echo(json.dumps(fields, ensure_ascii=False))
        return
    for text in found.translations.get(settings.language or "", found.captions):
        typer.echo(text)
    for note in _notes(catalogue, found, has_words=bool(words), language=settings.language):
        typer.echo(f"photism: {note}", err=True)


def _remedy(catalogue: CaptionCatalogue, words: list[str]) -> str:
    """Return what to do where no caption has the words: name the languages whose translations have them."""
    from photism.prompts.caption_catalogue import find_captions

    codes = [code for code in catalogue.translations if find_captions(catalogue, words, language=code).captions]
    if not codes:
        return "without words, all are printed"
    return f"translations of some do: add --language {' or '.join(codes[:3])}"


def _notes(catalogue: CaptionCatalogue, found: CaptionCatalogue, *, has_words: bool, language: str | None) -> list[str]:
    """Return what the list of captions does not show."""
    count, notes = len(catalogue.captions), list[str]()
    if len(found.captions) < count and not has_words:
        notes.append(f"{len(found.captions)} of {count} captions have a translation")
    if language is not None and catalogue.languages is not None and language not in catalogue.languages:
        spoken = ", ".join(catalogue.languages)
        notes.append(f"{language} is understood by `photism search` only; recordings are understood in {spoken}")
    return notes
