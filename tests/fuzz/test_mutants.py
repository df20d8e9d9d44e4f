"""Mutants of small files give finite samples or a clear error: no crash, no other exception, no waiting."""

import sys

import pytest

from photism.errors import InputError
from tests.fuzz.corpus import make_corpus
from tests.fuzz.mutations import MUTATIONS, make_mutant

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of processes as Linux does")


def test_300_mutants():
    from tests.fuzz.child import CLEAR_ERROR, FINITE, read_mutants

    outcomes = list(read_mutants(range(300), seed=0, timeout_s=20, memory_mb=500))
    assert [outcome for outcome in outcomes if outcome.kind not in (FINITE, CLEAR_ERROR)] == []
    kinds = [outcome.kind for outcome in outcomes]
    assert min(kinds.count(FINITE), kinds.count(CLEAR_ERROR)) > 75


def test_a_mutant_is_the_same_each_time_and_every_mutation_is_used():
    files = make_corpus()
    mutants = [make_mutant(files, 0, number) for number in range(300)]
    assert mutants == [make_mutant(files, 0, number) for number in range(300)]
    assert sum(mutant.data not in files.values() for mutant in mutants) > 290
    assert all(any(each.__name__ in mutant.name for mutant in mutants) for each in MUTATIONS)


@pytest.mark.slow
def test_other_outcomes_are_noticed(tmp_path, monkeypatch):
    """What is read crashes, waits, takes memory, or raises something else."""
    from photism.audio import waveform
    from tests.fuzz import child

    mutant = make_mutant(make_corpus(), 0, 1)
    for error in (KeyError("a bug"), MemoryError(), InputError("no name")):

        def fail(source, error=error):
            raise error

        monkeypatch.setattr(waveform, "load_waveform", fail)
        kind = "unclear error" if isinstance(error, InputError) else type(error).__name__
        assert child.read(mutant, tmp_path / "mutant").kind == kind
    program = tmp_path / "child.py"
    start = f"import sys, time, os; sys.argv[1:] = ['0', '100']; sys.path.insert(0, {str(child.ROOT)!r})\n"
    for fault, kind in (
        ("os.abort()", "crash with status -6"),
        ("time.sleep(60)", "timeout"),
        ("b'x' * 150_000_000", "memory"),
    ):
        program.write_text(
            f"{start}from tests.fuzz import child\nread = child.read\n"
            f"def faulty(mutant, path):\n    if len(mutant.name.split()) == 3: {fault}\n    return read(mutant, path)\n"
            "child.read = faulty\nchild.main()\n"
        )
        monkeypatch.setattr(child, "command", lambda seed, memory_mb: [sys.executable, str(program)])
        (outcome,) = child.read_mutants([1], seed=0, timeout_s=0.5 if kind == "timeout" else 60, memory_mb=100)
        assert outcome.kind == kind
