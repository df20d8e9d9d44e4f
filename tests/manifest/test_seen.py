"""Which recordings were listed before."""

import pytest

from photism.manifest.entry import Entry
from photism.manifest.seen import SeenEntries


def test_an_entry_is_new_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("photism.manifest.seen.RECENT", 7)
    entries = [Entry(f"{number}.wav", "1", f"{number}.wav") for number in range(50)]
    entries += [
        Entry("0.wav", "2", "0.wav"),
        Entry("0.wav", "1", "0.wav", 1.0),
        Entry("0.wav", "1", "", problem="gone"),
    ]
    seen = SeenEntries()
    assert [seen.add(entry) for entry in entries] == [True] * len(entries)
    assert [seen.add(entry) for entry in reversed(entries)] == [False] * len(entries)
