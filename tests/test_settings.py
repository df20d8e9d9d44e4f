"""One declaration of a setting: its check, its documentation, its YAML and its keyword argument."""

import inspect
import pickle

import numpy as np
import pytest

from photism.errors import InputError
from photism.prompts.settings import PipelineSettings
from photism.settings import (
    SettingError,
    accepts,
    changed,
    declarations,
    differences,
    read_settings,
    setting,
    settings,
    write_settings,
)


@settings
class Base:
    """Settings of a test."""

    steps: int | None = setting(None, "Number of steps.", minimum=1, flag="--steps")
    rate: float = setting(1e-4, "Learning rate.", above=0, below=1)
    mode: str = setting("fast", "How to run.", choices=("fast", "slow"))

    def check(self) -> None:
        """Refuse one step in the slow mode."""
        if self.mode == "slow" and self.steps == 1:
            raise SettingError("steps", "must be at least 2 with mode slow; got 1")


@settings
class Derived(Base):
    """Settings of a test and one more."""

    margin: float = setting(0.0, "Margin.", unit="seconds", minimum=0, maximum=2)
    rate: float = 1e-3


@accepts(Base)
def run(source, *, force=False, **changes):
    """Run.

    Args:
        source: what to run on.
        force: overwrite.
    """
    return source, force, Base(**changes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"margin": 10**400}, f"margin must be at least 0 and at most 2; got {10**400}"),
        ({"rate": 0.0}, "rate must be above 0 and below 1; got 0"),
        ({"rate": 1.0}, "rate must be above 0 and below 1; got 1"),
        ({"rate": float("nan")}, "rate must be above 0 and below 1; got nan"),
        ({"rate": "1e-3"}, "rate must be a number; got '1e-3'"),
        ({"rate": True}, "rate must be a number; got True"),
        ({"steps": 2.5}, "steps must be a whole number; got 2.5"),
        ({"mode": "medium"}, "mode must be one of fast, slow; got medium"),
        ({"mode": "slow", "steps": 1}, "steps must be at least 2 with mode slow; got 1"),
        ({"margin": 2.5}, "margin must be at least 0 and at most 2; got 2.5"),
        ({"margin": None}, "margin must have a value; got None"),
        ({"steps": np.int64(0)}, "steps must be at least 1; got 0"),
        ({"rate": np.float32("nan")}, "rate must be above 0 and below 1; got nan"),
    ],
)
def test_a_value_out_of_range_names_the_setting_and_the_bounds(given, message):
    with pytest.raises(SettingError) as error:
        Derived(**given)
    assert str(error.value) == message
    assert error.value.name in given


@pytest.mark.parametrize(
    "given", [{"steps": 1}, {"steps": None}, {"rate": 0.999}, {"margin": 2.0}, {"margin": np.float32(0)}]
)
def test_a_value_at_its_bound_is_allowed(given):
    assert all(getattr(Derived(**given), name) == value for name, value in given.items())


def test_the_docstring_of_a_class_lists_its_settings():
    assert "steps: Number of steps. (at least 1)" in Base.__doc__
    assert "rate: Learning rate. (above 0 and below 1; default 0.0001)" in Base.__doc__
    assert "margin: Margin. (seconds; at least 0 and at most 2; default 0)" in Derived.__doc__


def test_a_subclass_changes_a_default_and_keeps_the_rest_of_the_declaration():
    assert (Base().rate, Derived().rate) == (1e-4, 1e-3)
    assert "rate: Learning rate. (above 0 and below 1; default 0.001)" in Derived.__doc__
    with pytest.raises(SettingError, match="rate must be above 0 and below 1; got 1"):
        Derived(rate=1.0)


def test_a_function_takes_and_documents_the_settings_as_keyword_arguments():
    assert list(inspect.signature(run).parameters) == ["source", "force", "steps", "rate", "mode"]
    assert "mode: How to run. (one of fast, slow; default fast)" in run.__doc__
    assert run("x", force=True, steps=3) == ("x", True, Base(steps=3))
    with pytest.raises(TypeError, match=r"^run has no argument 'step'; it takes force, mode, rate, source, steps$"):
        run("x", step=3)


def test_an_argument_of_another_library_is_refused_with_the_one_that_takes_its_place():
    @accepts(Base)
    def draw(self, *, seed=0, **changes):
        return seed, changes

    with pytest.raises(TypeError, match=r"no argument 'generator': seed takes its place; it takes mode, rate, seed, s"):
        draw(None, generator=1)
    with pytest.raises(TypeError, match=r"no argument 'negative_prompt'; it takes"):  # `draw` has no negative prompt
        draw(None, negative_prompt="")


def test_an_argument_with_the_name_of_a_flag_is_refused_with_its_name_in_python():
    @settings
    class Named:
        """Settings with a flag of another name."""

        num_inference_steps: int = setting(12, "Number of denoising steps.", flag="--steps")

    @accepts(Named)
    def draw(**changes):
        return changes

    with pytest.raises(TypeError, match="no argument 'steps': num_inference_steps takes its place; it takes num_infer"):
        draw(steps=3)


def test_a_setting_that_is_a_parameter_of_the_function_is_documented_once():
    @accepts(Base)
    def walk(steps, **changes):
        """Walk.

        Args:
            steps: how far.
        """
        return steps, changes

    assert walk.__doc__.count("steps:") == 1
    assert "rate: Learning rate." in walk.__doc__
    assert walk(3, rate=0.5) == (3, {"rate": 0.5})


def test_settings_of_another_class_are_refused():
    assert changed(Base, Derived(steps=4), {"rate": 0.5}) == Derived(steps=4, rate=0.5)
    with pytest.raises(InputError, match=r"^settings must be Derived; got Base$"):
        changed(Derived, Base(), {})


def test_yaml_holds_all_settings_and_values_given_take_precedence(tmp_path):
    path = tmp_path / "settings.yaml"
    write_settings(Derived(steps=4, rate=1e-5), path)
    assert read_settings(Derived, path, {"margin": 1.0}) == Derived(steps=4, rate=1e-5, margin=1.0)
    path.write_text("rate: 1e-3\nsteps: null\n")  # YAML 1.1 reads 1e-3 as a string
    assert read_settings(Derived, path, {}) == Derived(rate=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "must be a YAML mapping from setting names to values"),
        ("steps: [", "is not valid YAML"),
        ("pace: 1", "has no setting 'pace' to set; there are steps, rate, mode"),
        ("steps: many", "steps must be of type int; got 'many'"),
        ("steps: true", "steps must be of type int; got True"),
        ("rate: null", "rate must have a value; got none"),
        ("rate: .inf", "rate must be above 0 and below 1; got inf"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        read_settings(Base, path, {})


def test_differences_name_the_setting_and_both_values():
    assert differences(Base(steps=1), Base(steps=2, mode="slow"), ignored=frozenset({"mode"})) == ["steps: 1, 2"]


def test_an_error_can_be_passed_on_to_another_process():
    error = SettingError("layer", "needs {}; got {braces}", "kind")
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found)) == (SettingError, str(error))
    assert found.message({"kind": "--kind", "layer": "--layer"}) == "--layer needs --kind; got {braces}"


def test_a_setting_is_in_the_group_that_it_declares_or_in_that_of_its_class():
    @settings(group="model")
    class Base:
        """Settings of a test."""

        model: str = setting("a", "Model.")
        steps: int = setting(1, "Steps.", group="speed")

    @settings(group="output")
    class Derived(Base):
        """Settings of a test."""

        file: str = setting("b", "File.")
        steps: int = 2

    assert {name: each.group for name, each in declarations(Derived).items()} == {
        "model": "model",
        "steps": "speed",
        "file": "output",
    }
    assert Derived(file="c").steps == 2


@pytest.mark.parametrize("value", ["", " ", "a b", "schön", "a\nb"])
def test_what_can_be_neither_a_folder_nor_a_hub_id_is_refused_at_once(value):
    with pytest.raises(SettingError, match=r"^model must be a folder, or the id of a hub repository, OWNER/NAME; got "):
        PipelineSettings(model=value)


@pytest.mark.parametrize("value", [None, "rain", "owner/v1.5", "./no such", "/a b/c", "model.safetensors", "."])
def test_what_may_be_a_folder_or_a_hub_id_is_accepted(value):
    assert PipelineSettings(diffusion=value).diffusion == value


def test_a_folder_may_have_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    assert PipelineSettings(model="a b").model == "a b"
