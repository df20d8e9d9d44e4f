"""The requirements of pyproject.toml, and the constraints that they are tested with."""

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    pytest.skip("tomllib is new in Python 3.11", allow_module_level=True)

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Not installed from an index, or only with a compiler.
NOT_CONSTRAINED = {"photism", "photism-tiny", "kenlm"}
# The version that constraints-lowest.txt is for.
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.5"}


def is_needed(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(PYTHON)


def requirements() -> list[Requirement]:
    """Return the requirements of the package and of all its extras, but those that the tests do not install."""
    texts = [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    found = [each for each in map(Requirement, texts) if canonicalize_name(each.name) not in NOT_CONSTRAINED]
    return [each for each in found if is_needed(each)]


def constraints(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return [each for line in lines if line and not line.startswith("#") if is_needed(each := Requirement(line))]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda it: it.name)
def test_each_requirement_has_a_lower_bound_that_is_tested(requirement):
    (bound,) = requirement.specifier
    assert bound.operator == ">="
    (lowest,) = (each for each in constraints("constraints-lowest.txt") if same(each, requirement))
    (pin,) = lowest.specifier
    assert Version(pin.version) == Version(bound.version), "compute constraints-lowest.txt again, or raise the bound"


def test_the_versions_of_constraints_are_those_of_an_extra_and_allowed():
    bounds = {canonicalize_name(each.name): each.specifier for each in requirements()}
    for pin in constraints("constraints.txt"):
        (exact,) = pin.specifier
        assert exact.operator == "=="
        if allowed := bounds.get(canonicalize_name(pin.name)):
            assert allowed.contains(exact.version), pin.name


def test_the_extra_all_has_every_extra_of_users_but_the_two_that_it_names():
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.extras == EXTRAS.keys() - {"all", "dev", "docs", "kenlm", "tiny"}


def same(one: Requirement, other: Requirement) -> bool:
    return canonicalize_name(one.name) == canonicalize_name(other.name)
