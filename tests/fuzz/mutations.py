"""Damage to files: each mutant follows from the seed and its number alone."""

from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

HEADER_BYTES = 300
EXTREMES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    2**63 - 1,
    2**64 - 1,
)

Mutation = Callable[[Random, bytes, bytes], bytes]
"""Function of a random generator, a file and another file, which returns a damaged file."""


class Mutant(NamedTuple):
    """A damaged file.

    Attributes:
        name: the file that it was made from, and how.
        data: its bytes.
    """

    name: str
    data: bytes


def flip_bits(random: Random, data: bytes, other: bytes) -> bytes:
    """Flip up to 64 bits anywhere."""
    return _flipped(random, data, len(data), random.choice((1, 4, 64)))


def flip_header_bits(random: Random, data: bytes, other: bytes) -> bytes:
    """Flip up to 8 bits in the header."""
    return _flipped(random, data, min(len(data), HEADER_BYTES), random.choice((1, 2, 8)))


def truncate(random: Random, data: bytes, other: bytes) -> bytes:
    """Cut the end off, or the beginning."""
    place = random.randrange(len(data))
    return data[:place] if random.random() < 0.7 else data[place:]


def remove_chunk(random: Random, data: bytes, other: bytes) -> bytes:
    """Remove some bytes."""
    start, stop = _chunk(random, data)
    return data[:start] + data[stop:]


def duplicate_chunk(random: Random, data: bytes, other: bytes) -> bytes:
    """Repeat some bytes, up to 50 times."""
    start, stop = _chunk(random, data)
    return data[:stop] + data[start:stop] * random.choice((1, 2, 50)) + data[stop:]


def swap_chunks(random: Random, data: bytes, other: bytes) -> bytes:
    """Swap two neighbouring pieces."""
    first, second, third = sorted(random.randrange(len(data) + 1) for _ in range(3))
    return data[:first] + data[second:third] + data[first:second] + data[third:]


def fill_run(random: Random, data: bytes, other: bytes) -> bytes:
    """Fill some bytes with zeros, ones or noise."""
    start, stop = _chunk(random, data)
    fill = random.choice((b"\0", b"\xff", None))
    return data[:start] + (random.randbytes(stop - start) if fill is None else fill * (stop - start)) + data[stop:]


def edit_number(random: Random, data: bytes, other: bytes) -> bytes:
    """Replace what may be a length, a rate or a time by an extreme number, or one near it; up to 4 times."""
    edited = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        size = random.choice((1, 2, 4, 4, 8))
        end = min(len(data), HEADER_BYTES) if random.random() < 0.7 else len(data)
        start = random.randrange(max(1, end - size + 1))
        order = random.choice(("little", "big"))
        before = int.from_bytes(edited[start : start + size], order)
        number = random.choice((*EXTREMES, before + 1, before - 1, before * 2, before // 2, random.getrandbits(64)))
        edited[start : start + size] = (number % 2 ** (8 * size)).to_bytes(size, order)
    return bytes(edited)


def splice_header(random: Random, data: bytes, other: bytes) -> bytes:
    """Put the beginning of another file before the rest of this one."""
    place = random.randrange(1, HEADER_BYTES)
    return other[:place] + data[place:]


def append_file(random: Random, data: bytes, other: bytes) -> bytes:
    """Append another file, or a piece of it."""
    return data + other[random.choice((0, random.randrange(len(other)))) :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_header_bits,
    truncate,
    remove_chunk,
    duplicate_chunk,
    swap_chunks,
    fill_run,
    edit_number,
    edit_number,
    splice_header,
    append_file,
)


def make_mutant(files: Mapping[str, bytes], seed: int, number: int) -> Mutant:
    """Return a mutant of one of several files, in turn, by one to three mutations."""
    random = Random(f"{seed}:{number}")
    names = list(files)
    name, other = names[number % len(names)], random.choice(names)
    data = files[name]
    chosen = random.choices(MUTATIONS, k=random.choice((1, 1, 2, 3)))
    for mutation in chosen:
        data = mutation(random, data or b"\0", files[other])
    return Mutant(f"{number} {name} {'+'.join(mutation.__name__ for mutation in chosen)}", data)


def _flipped(random: Random, data: bytes, end: int, count: int) -> bytes:
    edited = bytearray(data)
    for _ in range(count):
        edited[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(edited)


def _chunk(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, min(len(data), start + random.choice((1, 4, 100, 1000, len(data) // 4)))
