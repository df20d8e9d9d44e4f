"""Files that several requests want."""

import asyncio

import pytest

from photism.server.written_files import WrittenFiles


@pytest.fixture
def written():
    return WrittenFiles()


def writer(path, calls):
    async def write():
        calls.append(path.name)
        await asyncio.sleep(0)
        path.touch()
        return path

    return write


def test_requests_at_once_write_a_file_once(written, tmp_path):
    calls = []

    async def run():
        write = writer(tmp_path / "a", calls)
        return await asyncio.gather(*(written.get("a", write) for _ in range(3)), written.get("b", write))

    assert asyncio.run(run()) == [tmp_path / "a"] * 4
    assert calls == ["a", "a"]


def test_what_was_removed_is_written_again_and_no_longer_counted(written, tmp_path):
    calls = []

    async def run():
        for name in ("a", "b", "a"):
            await written.get(name, writer(tmp_path / name, calls))
        (tmp_path / "a").unlink()
        (tmp_path / "b").unlink()
        await written.get("a", writer(tmp_path / "a", calls))

    asyncio.run(run())
    assert calls == ["a", "b", "a"]
    assert len(written) == 1


def test_the_file_is_written_although_the_first_request_leaves(written, tmp_path):
    calls = []

    async def run():
        first = asyncio.ensure_future(written.get("a", writer(tmp_path / "a", calls)))
        await asyncio.sleep(0)
        first.cancel()
        return await written.get("a", writer(tmp_path / "a", calls))

    assert asyncio.run(run()) == tmp_path / "a"
    assert calls == ["a"]


def test_after_an_error_it_is_tried_again(written, tmp_path):
    async def fail():
        raise ValueError("no sound")

    async def run():
        with pytest.raises(ValueError, match="no sound"):
            await written.get("a", fail)
        return await written.get("a", writer(tmp_path / "a", []))

    assert asyncio.run(run()) == tmp_path / "a"
