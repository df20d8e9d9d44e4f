"""The gallery shows each file of its folder, which stays small: its files stay in the history for ever."""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
MAX_BYTES = 1_500_000


def test_the_gallery_shows_all_its_files() -> None:
    files = sorted((DOCS / "gallery").iterdir())
    page = (DOCS / "gallery.md").read_text(encoding="utf8")
    assert files
    assert [path.name for path in files if f"(gallery/{path.name})" not in page] == []
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
