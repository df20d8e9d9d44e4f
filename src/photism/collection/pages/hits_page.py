"""The page of what a search found: a player for each hit, with its score, segment and captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photism.collection.hit_formats import segment
from photism.collection.locations import clock, shown
from photism.collection.pages.document import document, text
from photism.collection.pages.player import PlayerMaker
from photism.collection.search import Hit
from photism.files import atomic_text

MAX_CAPTIONS = 3


def write_hits_page(hits: Sequence[Hit], target: Path, *, title: str, embed: bool = False) -> list[str]:
    """Write a page of hits: a single file, with players that play the segments.

    Args:
        hits: what was found, the best first.
        target: the file, written under a temporary name and then renamed. Recordings are linked relative to its folder.
        title: what was searched for.
        embed: hold the segments in the page.

    Returns:
        what is wrong with recordings that have no player.
    """
    players = PlayerMaker(target.parent, embed=embed)
    items = "\n".join(_item(hit, rank, players) for rank, hit in enumerate(hits, 1))
    count = f"{len(hits)} {'recording' if len(hits) == 1 else 'recordings'}"
    about = f"{count}, the most similar first. Arrow keys go from one to the next, the space bar plays."
    body = (
        f"<h1>{text(title)}</h1>\n"
        f'<p class="about">{about if hits else "Nothing was found."}</p>\n'
        f'<ol class="hits">\n{items}\n</ol>'
    )
    with atomic_text(target) as file:
        file.write(document(title, body, scripts=("players.js", "hits.js")))
    return players.problems


def _item(hit: Hit, rank: int, players: PlayerMaker) -> str:
    name = Path(shown(hit.location)).name or shown(hit.location)
    return (
        f'<li tabindex="0"><div class="head"><span class="rank">{rank}</span>'
        f'<bdi class="name" title="{text(shown(hit.location))}">{text(name)}</bdi>'
        f'<span class="times">{text(segment(hit.start_s, hit.end_s))}</span>'
        f'<span class="score" title="score">{hit.score:.3f}</span></div>'
        f'<div class="detail">{_details(hit)}</div>{players.html(hit)}</li>'
    )


def _details(hit: Hit) -> str:
    """Return the captions, the labels and the place of a recording."""
    parts: list[str] = []
    if hit.row.get("captions"):
        best = [f"{each['caption']} {each['score']:.2f}" for each in hit.row["captions"][:MAX_CAPTIONS]]
        words = " · ".join(best)
        parts.append(words if hit.row.get("known") is not False else f"no known sound recognised (closest: {words})")
    if hit.row.get("labels"):
        parts.append(" · ".join(f"{each['label']} {each['score']:.2f}" for each in hit.row["labels"][:MAX_CAPTIONS]))
    if hit.row.get("duration_s") is not None:
        parts.append(f"{clock(hit.row['duration_s'])} long")
    parts.append(str(Path(shown(hit.location)).parent))
    return " — ".join(f"<bdi>{text(each)}</bdi>" for each in parts)
