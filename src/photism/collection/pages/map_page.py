"""The map of a collection as an HTML page: a point for each recording, with its name and a player."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photism.collection.hit_formats import segment
from photism.collection.locations import shown
from photism.collection.map_image import colour_numbers
from photism.collection.pages.document import document, script_json, text
from photism.collection.pages.player import PlayerMaker, media_fragment
from photism.collection.projection import CollectionMap
from photism.collection.search import Hit
from photism.files import atomic_text

KEYS = (
    "Point at a recording for its name, and choose it to hear it; arrow keys go to the next one in a direction, "
    "the space bar plays."
)


def write_map_page(found: CollectionMap, target: Path, *, title: str) -> None:
    """Write a page with a map: a single file, whose recordings are linked relative to its folder.

    Args:
        found: the map.
        target: the file, written under a temporary name and then renamed.
        title: name of the collection.
    """
    players = PlayerMaker(target.parent)
    frequent, numbers = colour_numbers(found.names)
    points = [
        _point(hit, (float(x), float(y)), name, int(number), players)
        for hit, (x, y), name, number in zip(found.hits, found.points, found.names, numbers, strict=True)
    ]
    body = f"""<h1>{text(title)}</h1>
<p class="about">{text(found.about)}. {KEYS}</p>
<label>Find <input id="find" type="search" placeholder="part of a name or caption"></label> <span id="count"></span>
<canvas id="map" tabindex="0" role="application" aria-label="Map of recordings"></canvas>
<div id="legend"></div>
<div id="chosen" aria-live="polite"><div class="head"><bdi class="name" id="name">No recording is chosen</bdi>\
<span id="times"></span></div><div class="detail" id="detail"></div><div class="problem" hidden></div>\
<audio controls preload="none"></audio></div>
<script id="points" type="application/json">{script_json({"names": frequent, "points": points})}</script>"""
    with atomic_text(target) as file:
        file.write(document(title, body, scripts=("players.js", "map.js")))


def _point(hit: Hit, place: tuple[float, float], name: str, colour: int, players: PlayerMaker) -> list[Any]:
    """Return the values of a point, in the order in which map.js reads them."""
    url, problem = players.source(hit)
    x, y = (round(value, 4) for value in place)
    times = segment(hit.start_s, hit.end_s)
    source = url and url + media_fragment(hit)
    return [x, y, colour, name, shown(hit.location), times, source, hit.start_s, hit.end_s, problem]
