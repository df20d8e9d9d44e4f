"""Read many mutants and count what became of them: python -m tests.fuzz --mutants 10000."""

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.child import CLEAR_ERROR, FINITE, Outcome, read_mutants
from tests.fuzz.corpus import make_corpus
from tests.fuzz.mutations import make_mutant


def main() -> int:
    """Print the counts, and each mutant that gave neither finite samples nor a clear error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=300, help="number of mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0, help="seed of all mutants")
    parser.add_argument("--processes", type=int, default=1, help="child processes at a time")
    parser.add_argument("--timeout", type=float, default=20, help="seconds for each mutant")
    parser.add_argument("--memory", type=int, default=500, help="MB that a mutant may add")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the mutants of other outcomes there")
    given = parser.parse_args()

    numbers = range(given.first, given.first + given.mutants)
    limits = {"seed": given.seed, "timeout_s": given.timeout, "memory_mb": given.memory}

    def read_share(index: int) -> list[Outcome]:
        return list(read_mutants(numbers[index :: given.processes], **limits))

    with ThreadPoolExecutor(given.processes) as pool:
        outcomes = [outcome for share in pool.map(read_share, range(given.processes)) for outcome in share]
    others = [outcome for outcome in outcomes if outcome.kind not in (FINITE, CLEAR_ERROR)]
    for outcome in others:
        print(*outcome, sep="\t")
        if given.keep:
            mutant = make_mutant(make_corpus(), given.seed, int(outcome.mutant.split()[0]))
            given.keep.mkdir(parents=True, exist_ok=True)
            (given.keep / mutant.name.replace(" ", "-")).write_bytes(mutant.data)
    by_format: dict[str, Counter[str]] = {name: Counter() for name in make_corpus()}
    for outcome in outcomes:
        by_format[outcome.mutant.split()[1]][outcome.kind] += 1
    print(f"{'format':14}{FINITE:>12}{CLEAR_ERROR:>14}{'anything else':>16}")
    for name, counts in (*by_format.items(), ("all", Counter(outcome.kind for outcome in outcomes))):
        other = counts.total() - counts[FINITE] - counts[CLEAR_ERROR]
        print(f"{name:14}{counts[FINITE]:12}{counts[CLEAR_ERROR]:14}{other:16}")
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
