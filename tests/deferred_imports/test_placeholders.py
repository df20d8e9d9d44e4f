"""Placeholders of names that are imported later."""

from types import ModuleType
from typing import Any

from photism.deferred_imports.placeholders import Placeholders


def test_a_name_that_is_imported_again_and_again_has_one_placeholder():
    places, importer = Placeholders(), dict[str, Any]()
    first = places.place("peft", ["PeftModel"], importer).PeftModel
    assert places.place("peft", ["PeftModel"], importer).PeftModel is first


def test_placeholders_are_replaced_under_any_name():
    places, importer, peft = Placeholders(), dict[str, Any](kept=1), ModuleType("peft")
    peft.__dict__["PeftModel"] = int
    importer["Renamed"] = places.place("peft", ["PeftModel"], importer).PeftModel
    places.replace(peft)
    assert importer == {"kept": 1, "Renamed": int}
