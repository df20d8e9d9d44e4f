"""photism search: find recordings of an index by words and by sound, its near-duplicates, and a map of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.cli import options as option
from photism.cli.exit_status import ExitStatus
from photism.cli.progress import progress_bar, skipped_line
from photism.cli.recordings import open_recordings
from photism.cli.startup import startup
from photism.collection.search_outputs import MAP_SUFFIXES, SearchOutput
from photism.collection.search_settings import DuplicateSettings, QueryModelSettings, SearchSettings
from photism.collection.settings import check_index_libraries
from photism.errors import InputError
from photism.extras import require
from photism.output_files import check_suffix, sound_stem
from photism.settings import SettingError

if TYPE_CHECKING:
    from photism.collection.index import Index
    from photism.collection.search import Hit

Several = list[str] | None


def search(
    index: Annotated[str, typer.Argument(metavar="INDEX", help="Index that was made by photism index.")],
    text: Annotated[
        Several,
        typer.Argument(
            metavar="TEXT", help="Description of the recordings to find; the vectors of several texts are averaged."
        ),
    ] = None,
    *,
    sound: Annotated[
        Several,
        typer.Option(
            metavar="SOUND",
            help="Recording that the results are to be similar to, alone or with a text. May be repeated.",
            rich_help_panel=option.QUERY,
        ),
    ] = None,
    not_text: Annotated[
        Several,
        typer.Option(
            "--not",
            metavar="TEXT",
            help="Description of recordings to rank lower. May be repeated.",
            rich_help_panel=option.QUERY,
        ),
    ] = None,
    not_sound: Annotated[
        Several,
        typer.Option(
            metavar="SOUND",
            help="Recording; those similar to it are ranked lower. May be repeated.",
            rich_help_panel=option.QUERY,
        ),
    ] = None,
    settings: SearchSettings,
    duplicates: Annotated[
        bool,
        typer.Option(
            "--duplicates",
            help="List groups of near-duplicates instead, with which one to keep.",
            rich_help_panel=option.ANALYSIS,
        ),
    ] = False,
    duplicate_settings: DuplicateSettings,
    map: Annotated[
        Several,
        typer.Option(
            metavar="FILE.png|FILE.html",
            help="Draw a map of the collection instead. May be repeated for both.",
            rich_help_panel=option.ANALYSIS,
        ),
    ] = None,
    output: SearchOutput,
    reading: ReadingSettings,
    query_model: QueryModelSettings,
) -> None:
    """Print the recordings of an index that are the most similar to texts or recordings.

    The score is the cosine similarity of two vectors. What is searched for may be a text, a recording or both, without
    what --not and --not-sound name. --duplicates and --map look at the whole collection instead.

    Examples:
        photism search sounds.lance "an elephant" --top-k 3
        photism search sounds.lance --sound elephant.en.ogg --html found.html
    """
    query = _Query(text or (), sound or (), not_text or (), not_sound or ())
    maps = [Path(each) for each in map or ()]
    _check_choice(query, maps, duplicates=duplicates, output=output)
    _check_effects(query, maps, duplicates, settings, duplicate_settings, query_model, reading, output)
    output.check_files()
    check_index_libraries()
    if maps:
        require("sklearn", "a map", "collection")
    for path in maps:
        if path.suffix.lower() == ".png":
            require("matplotlib", "a map as PNG", "collection")
        check_suffix(path, "--map", MAP_SUFFIXES, force=output.force)
    with startup():
        from photism.collection.index import Index

        found = Index.open(index, device=query_model.device)
    if maps:
        _draw_maps(found, maps, settings)
    elif duplicates:
        _print_duplicates(found, settings, duplicate_settings, output)
    else:
        _search(found, query, settings, output, reading, query_model.model)


class _Query(NamedTuple):
    """What is searched for, and what is not wanted: texts, and sources of recordings."""

    texts: Sequence[str]
    sounds: Sequence[str]
    not_texts: Sequence[str]
    not_sounds: Sequence[str]


def _check_choice(query: _Query, maps: Sequence[Path], *, duplicates: bool, output: SearchOutput) -> None:
    """Check that one thing is to be done: a search, a list of duplicates, or maps.

    Raises:
        InputError: it is none or several, or files of a search are to be written without one.
    """
    if any(query) + duplicates + bool(maps) != 1:
        raise InputError("give either what to search for (a text or --sound), or --duplicates, or --map")
    if output.writes_files and not any(query):
        raise InputError("--html, --playlist and --copy-to write the results of a search; give a text or --sound")


def _check_effects(
    query: _Query,
    maps: Sequence[Path],
    duplicates: bool,
    settings: SearchSettings,
    duplicate_settings: DuplicateSettings,
    query_model: QueryModelSettings,
    reading: ReadingSettings,
    output: SearchOutput,
) -> None:
    """Refuse settings that would have no effect.

    Raises:
        SettingError: a setting needs what is not given.
    """
    search = "a text or --sound to search for"
    has_texts, has_sounds = bool(query.texts or query.not_texts), bool(query.sounds or query.not_sounds)
    needs: list[tuple[object, tuple[str, ...], bool, str]] = [
        (duplicate_settings, ("similarity", "by_vectors"), duplicates, "--duplicates"),
        (settings, ("top_k", "all_windows", "exact"), any(query), search),
        (settings, ("not_weight",), bool(query.not_texts or query.not_sounds), "--not or --not-sound"),
        (settings, ("literal",), has_texts, "a text"),
        (query_model, ("model",), any(query), search),
        (reading, ("track", "channel", "strict", "allow_private_urls"), has_sounds, "--sound or --not-sound"),
        (output, ("format", "as_json"), not maps, "results to print, which --map does not have"),
    ]
    for given, names, is_met, needed in needs:
        for name in names:
            if not is_met and getattr(given, name) != getattr(type(given), name):
                raise SettingError(name, f"needs {needed}")


def _search(
    index: "Index",
    query: _Query,
    settings: SearchSettings,
    output: SearchOutput,
    reading: ReadingSettings,
    model: str | None,
) -> None:
    """Search an index, and print and write the results.

    Raises:
        typer.Exit: with status 2, if a recording could not be copied or played.
    """
    files = open_recordings([*query.sounds, *query.not_sounds], reading)
    wanted, excluded = files[: len(query.sounds)], files[len(query.sounds) :]
    with startup():
        from photism.collection.search_index import search_index

        hits = search_index(
            index,
            settings,
            text=query.texts,
            sound=wanted,
            not_=query.not_texts,
            not_sound=excluded,
            model=model,
        )
        meanings = [] if settings.literal else _meanings(index, [*query.texts, *query.not_texts])
    for line in meanings:
        typer.echo(f"photism: {line}; --literal takes it as it is", err=True)
    if not hits:
        none = "the index has no rows" if settings.where is None else "no recording of the index satisfies --where"
        typer.echo(f"photism: {none}", err=True)
    _print_hits(hits, _title(query.texts, wanted, query.not_texts, excluded), output)


def _meanings(index: "Index", texts: Sequence[str]) -> list[str]:
    """Return what texts in other languages than the model's were taken for, in a sentence each."""
    if not texts:
        return []
    found = zip(texts, index.load_embedder().find_meanings(texts), strict=True)
    return [
        f"{text!r} is taken for {' and '.join(map(repr, meaning.captions))} ({meaning.language})"
        for text, meaning in found
        if meaning is not None
    ]


def _print_hits(hits: "Sequence[Hit]", title: str, output: SearchOutput) -> None:
    """Print the results, and write them to files.

    Raises:
        typer.Exit: with status 2, if a recording could not be copied or played.
    """
    from photism.collection.hit_formats import format_hits

    typer.echo(format_hits(hits, output.chosen_format), nl=False)
    skipped: list[InputError] = []

    def skip(error: InputError) -> None:
        """Report a recording that cannot be copied or played."""
        skipped.append(error)
        typer.echo(skipped_line(error), err=True)

    output.write_files(hits, title, skip)
    if skipped:
        raise typer.Exit(ExitStatus.MISTAKE)


def _print_duplicates(
    index: "Index", settings: SearchSettings, duplicates: DuplicateSettings, output: SearchOutput
) -> None:
    """Print groups of near-duplicates.

    Raises:
        typer.Exit: with status 2, if a recording could not be read.
    """
    from photism.collection.duplicate_formats import format_duplicates
    from photism.collection.duplicates import find_duplicates

    skipped = 0
    with progress_bar("comparing", len(index)) as bar:

        def skip(error: InputError) -> None:
            """Report a recording that cannot be read."""
            nonlocal skipped
            skipped += 1
            bar.echo(f"{skipped_line(error)}\n", err=True)

        groups = find_duplicates(
            index.dataset, where=settings.where, **vars(duplicates), on_error=skip, on_progress=bar.update
        )
    typer.echo(format_duplicates(groups, output.chosen_format), nl=False)
    if skipped:
        raise typer.Exit(ExitStatus.MISTAKE)


def _draw_maps(index: "Index", paths: Sequence[Path], settings: SearchSettings) -> None:
    """Project the rows of an index, and draw them as images and pages."""
    from photism.collection.map_image import write_map_image
    from photism.collection.pages.map_page import write_map_page
    from photism.collection.projection import project

    title = Path(index.table.uri).name
    found = project(index.dataset, where=settings.where)
    for path in paths:
        if path.suffix.lower() == ".png":
            write_map_image(found, path, title=title)
        else:
            write_map_page(found, path, title=title)
    typer.echo(f"photism: map of {found.about}", err=True)


def _title(
    texts: Sequence[str], sounds: Sequence[SoundFile], not_texts: Sequence[str], not_sounds: Sequence[SoundFile]
) -> str:
    """Return what was searched for, in words."""
    wanted = " + ".join([*texts, *(sound_stem(file.name) for file in sounds)])
    excluded = ", ".join([*not_texts, *(sound_stem(file.name) for file in not_sounds)])
    return f"{wanted}, not {excluded}" if excluded else wanted
