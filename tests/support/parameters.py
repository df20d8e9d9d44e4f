"""Parameters of tests of which `make test` runs some and `make test-all` runs all."""

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_slow(values: Iterable[Any], *quick: Any) -> list[Any]:
    """Mark all values as slow, since they repeat a test with other values, but those of `quick`."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in values]
