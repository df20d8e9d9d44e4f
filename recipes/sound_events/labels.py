"""Labels of the recordings, from the file names that four Debian packages give them.

Like those of FSD50K, the labels of a recording go from the thing to its kind and to a family of kinds: a crow, a bird,
an animal. Retrieval is evaluated on the kinds, since nearly every thing was recorded once.
"""

from __future__ import annotations

import re

FAMILIES: dict[str, tuple[str, ...]] = {
    "an animal": (
        "a bird", "an insect", "a rodent", "a sea mammal", "a pig", "an equine", "an ape", "a cat", "a bovine",
        "a canine", "a deer", "a camel", "a marsupial", "a bear", "a frog",
    ),
    "a percussion instrument": (
        "a bass drum", "a snare drum", "a tom drum", "a hi-hat", "a cymbal", "a hand clap", "a cowbell", "a rimshot",
        "a shaker", "a wood block", "a tabla", "a bell", "a drum beat",
    ),
    "a musical instrument": (
        "a bowed string", "a guitar", "a keyboard", "an organ", "a wind instrument", "a choir", "a string section",
        "a synthesizer bass", "a synthesizer pad",
    ),
    "an electronic sound": ("a beep", "a zap", "a robot", "a telephone", "a whoosh", "a record player", "a hum"),
    "a thing": (
        "a piece of glass", "an explosion", "a crowd", "a household machine", "a tool", "a click", "a finger snap",
        "a thump",
    ),
}  # fmt: skip
"""Kinds by their family."""

STAMPS: tuple[tuple[str, str], ...] = (
    (r"animals/birds/", "a bird"),
    (r"animals/insects/|seasonal/halloween/spider", "an insect"),
    (r"animals/amphibians/", "a frog"),
    (r"animals/mammals/rodents/(?!beaver)", "a rodent"),  # the beaver has the badger's sound
    (r"animals/mammals/aquatic/", "a sea mammal"),
    (r"animals/mammals/pig", "a pig"),
    (r"animals/mammals/equines/", "an equine"),
    (r"animals/mammals/apes/", "an ape"),
    (r"animals/mammals/cats/|seasonal/halloween/blackcat", "a cat"),
    (r"animals/mammals/bovines/", "a bovine"),
    (r"animals/mammals/dogs/", "a canine"),
    (r"animals/mammals/deer/", "a deer"),
    (r"animals/mammals/camel/", "a camel"),
    (r"animals/mammals/bears/", "a bear"),
    (r"animals/marsupials/", "a marsupial"),
    (r"hobbies/music/string/", "a bowed string"),
    (r"hobbies/music/wind/", "a wind instrument"),
    (r"hobbies/music/percussion/cymbal", "a cymbal"),
    (r"hobbies/music/percussion/drum_tomtom", "a tom drum"),
    (r"hobbies/music/percussion/drumkit", "a drum beat"),
    (r"household/(arttools|tools)/", "a tool"),
    (r"household/(Washing|kettle|vacuum)", "a household machine"),
    (r"household/dishes/", "a piece of glass"),
    (r"hobbies/camera", "a click"),
    (r"naturalforces/lightning|seasonal/newyears/fireworks", "an explosion"),
)
"""Kind of the stamps whose name matches; the thing is the caption of the stamp."""

SAMPLES: tuple[tuple[str, str, str], ...] = (
    # Sonic Pi and LMMS: the first match counts, so the more special names come first.
    (r"loop_(amen|breakbeat|compus|industrial|mehackit|mika|perc|safari|garzul|weirdo)|beats/",
     "a drum beat", "a drum beat"),
    (r"tabla", "a tabla", "a tabla"),
    (r"robot", "a robot", "a robot"),
    (r"mehackit_phone", "a telephone", "a telephone"),
    (r"vinyl_hiss", "a vinyl hiss", "a record player"),
    (r"vinyl_|scratch", "a record scratch", "a record player"),
    (r"woosh|swoosh|swash|filter_sweep", "a whoosh", "a whoosh"),
    (r"haunted_hum|soft_buzz|buzz!", "a hum", "a hum"),
    (r"ambi_glass", "a glass", "a piece of glass"),
    (r"misc_crow", "a crow", "a bird"),
    (r"cineboom|explode", "an explosion", "an explosion"),
    (r"applause", "applause", "a crowd"),
    (r"raving_crowd", "a raving crowd", "a crowd"),
    (r"perc_impact|misc/hit", "a thump", "a thump"),
    (r"snap", "a finger snap", "a finger snap"),
    (r"metronome", "a tick", "a click"),
    (r"perc_door", "a door", "a thump"),
    (r"drum_roll", "a drum roll", "a snare drum"),
    (r"snare_rim|rimshot|(^|/|_)rim|sidestick|nasty_rim", "a rimshot", "a rimshot"),
    (r"snare|^sn_", "a snare drum", "a snare drum"),
    (r"^bd_|drum_bass|kick|bassdrum", "a bass drum", "a bass drum"),
    (r"cowbell", "a cowbell", "a cowbell"),
    (r"drum_cymbal_(closed|open|pedal)|hi_?hat|hat_?(closed|open|pedal|semiopen)", "a hi-hat", "a hi-hat"),
    (r"splash", "a splash cymbal", "a cymbal"),
    (r"ride", "a ride cymbal", "a cymbal"),
    (r"cymbal|crash", "a crash cymbal", "a cymbal"),
    (r"tom", "a tom drum", "a tom drum"),
    (r"clap", "a hand clap", "a hand clap"),
    (r"clave?", "a pair of claves", "a wood block"),
    (r"wood\d|elec_wood", "a wood block", "a wood block"),
    (r"shaker", "a shaker", "a shaker"),
    (r"wind_chimes|elec_chime", "a chime", "a bell"),
    (r"triangle", "a triangle", "a bell"),
    (r"choir|chorus", "a choir", "a choir"),
    (r"(elec|perc)_bell|elec_bong|dong", "a bell", "a bell"),
    (r"elec_(beep|blip|blup|ping|plip|pop|twip)|electric_ping", "a beep", "a beep"),
    (r"zap|warp", "a zap", "a zap"),
    (r"cello", "a cello", "a bowed string"),
    (r"violin", "a violin", "a bowed string"),
    (r"bassslap", "a bass guitar", "a guitar"),
    (r"^guit_|guitar|elec_twang", "a guitar", "a guitar"),
    (r"harpsichord", "a harpsichord", "a keyboard"),
    (r"piano", "a piano", "a keyboard"),
    (r"organ", "an organ", "an organ"),
    (r"flute", "a flute", "a wind instrument"),
    (r"trumpet|brass", "a trumpet", "a wind instrument"),
    (r"_pad\d|ambient|drone", "a synthesizer pad", "a synthesizer pad"),
    (r"_string|strings\d", "a string section", "a string section"),
    (r"bass", "a synthesizer bass", "a synthesizer bass"),
)  # fmt: skip
"""Pattern of a sample's name, its thing and its kind. Samples that match none are not used."""

FAMILY_OF = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}
KINDS = tuple(FAMILY_OF)
"""Kinds of things, the classes of the evaluation."""


def labels_of_stamp(name: str, caption: str) -> tuple[str, ...]:
    """Return the labels of a stamp, with articles, from the thing to its family; none if it is of no kind."""
    thing = caption.rstrip(".!")
    thing = thing[:1].lower() + thing[1:]
    return next((_with_family(thing, kind) for pattern, kind in STAMPS if re.match(pattern, name)), ())


def labels_of_sample(name: str) -> tuple[str, ...]:
    """Return the labels of a sample, with articles, from the thing to its family; none if it is of no kind."""
    found = ((thing, kind) for pattern, thing, kind in SAMPLES if re.search(pattern, name.lower()))
    return next((_with_family(*each) for each in found), ())


def _with_family(thing: str, kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((thing, kind, FAMILY_OF[kind])))
