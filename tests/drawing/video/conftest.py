"""The recordings that these tests film stand here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as in tests/conftest.py
