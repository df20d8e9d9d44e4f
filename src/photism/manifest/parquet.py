"""Read the rows of Parquet files a few at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from photism.errors import as_input_error
from photism.extras import missing
from photism.manifest.tables import NumberedRow, open_list
from photism.output_files import without_credentials

BATCH_ROWS = 32  # few, since a row may hold the bytes of a recording


def parquet_rows(path: str, *, allow_private_urls: bool = False) -> Iterator[NumberedRow]:
    """Yield the rows of a Parquet file; their lines are counted from 1.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be read.
    """
    with _opened(path, allow_private_urls=allow_private_urls) as file:
        batches = file.iter_batches(BATCH_ROWS)
        for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
            yield NumberedRow(number, row)


def parquet_count(path: str, *, allow_private_urls: bool = False) -> int:
    """Return the number of rows of a Parquet file.

    Raises:
        InputError: as in `parquet_rows`.
    """
    with _opened(path, allow_private_urls=allow_private_urls) as file:
        return file.metadata.num_rows


def parquet_row(path: str, index: int) -> Mapping[str, Any] | None:
    """Return a row of a Parquet file by its number from 0; None if there are fewer.

    Raises:
        InputError: as in `parquet_rows`.
    """
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if index < count:
                return file.read_row_group(group).slice(index, 1).to_pylist()[0]
            index -= count
    return None


@contextmanager
def _opened(path: str, *, allow_private_urls: bool = False) -> Generator[Any]:
    name = without_credentials(path)
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise missing("pyarrow", f"{name}: reading Parquet", "collection") from None
    with (
        closing(open_list(path, allow_private_urls=allow_private_urls)) as opened,
        as_input_error(f"{name}: cannot be read as Parquet"),
    ):
        yield ParquetFile(opened)
