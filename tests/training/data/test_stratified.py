from collections import Counter

from photism.training.data.stratified import stratified_choice


def test_all_classes_and_splits_are_chosen():
    strata = [(split, (name,)) for split in ("train", "validation") for name in "aaaaaaaabbbbbbbbc"]
    chosen = stratified_choice(strata, 12)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 12
    counts = Counter(strata[index] for index in chosen)
    assert set(counts) == {(split, (name,)) for split in ("train", "validation") for name in "abc"}
    assert counts["train", ("c",)] == counts["validation", ("c",)] == 1


def test_several_classes_at_once():
    strata = [(None, ("a", "b")), (None, ("a",)), (None, ("b",)), (None, ("a", "c"))]
    assert stratified_choice(strata, 2) == [0, 3]


def test_transcripts_are_evenly_spaced():
    assert stratified_choice([("train", (str(number),)) for number in range(100)], 4) == [0, 25, 50, 75]


def test_no_more_than_there_are():
    assert stratified_choice([(None, ()), (None, ("a",))], 5) == [0, 1]
    assert stratified_choice([], 5) == []
