"""Copy the modules of a model but not its tensors, so that the copy can be changed and the model stays as it is.

A function that computes a model's layers in its own way must not leave its layers in a model that belongs to the
caller. Replacing them for the time of a call would not do: another thread may run or train the model meanwhile. A copy
of the tree of modules costs no memory to speak of and some microseconds for each module.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)

PLAIN_DICTIONARIES = (dict, OrderedDict)


def copy_modules(model: Module, replace: Callable[[nn.Module], nn.Module | None] = lambda module: None) -> Module:
    """Copy a tree of modules; parameters, buffers, hooks and all other attributes are those of the original.

    What the copy's `forward` assigns or registers, such as a cache or a hook, does not reach the original. A module
    that occurs several times in the original occurs as often in the copy.

    Args:
        model: the root of the tree; it is not changed.
        replace: returns what stands in the copy in place of a module, or None to copy the module.

    Returns:
        the copy. It sees later changes of the values of the original's tensors, but no others: make a new copy for
        each call.
    """
    copies: dict[int, nn.Module] = {}

    def copied(module: nn.Module) -> nn.Module:
        """Copy a module once, with its submodules."""
        if id(module) not in copies:
            copy = replace(module)
            if copy is None:
                copy = shallow_copy(module, type(module))
                children: dict[str, nn.Module | None] = vars(copy)["_modules"]
                children.update({name: copied(child) for name, child in children.items() if child is not None})
            copies[id(module)] = copy
        return copies[id(module)]

    return copied(model)  # pyright: ignore[reportReturnType]


def shallow_copy(module: nn.Module, module_class: type[Module]) -> Module:
    """Return a module of another class with all attributes of this one, tensors and submodules included."""
    copy = object.__new__(module_class)
    for name, value in vars(module).items():
        # torch keeps parameters, buffers, submodules and hooks in dictionaries. A dictionary of another class, such as
        # the configuration of a model of diffusers, may have a `copy` that returns a plain one.
        copy.__dict__[name] = value.copy() if type(value) in PLAIN_DICTIONARIES else value
    return copy
