"""griffe extension: what `photism.settings` adds to classes and functions when they are defined.

griffe reads the source without running it, so that it sees neither the list of settings in the docstring of a class of
`@settings` nor the keyword arguments of a function that `@accepts` such a class. This adds both from the declarations.
"""

import dataclasses
from importlib import import_module
from typing import Any

import griffe

from photism.settings import describe

OPTIONS = {"returns_multiple_items": False, "returns_named_value": False}
"""How docstrings are read, as in mkdocs.yml."""

SETTINGS, ACCEPTS = "photism.settings.settings", "photism.settings.accepts"


class SettingsExtension(griffe.Extension):
    """Document declared settings."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Add the settings to all classes and functions of a package."""
        _walk(pkg)


def _walk(scope: griffe.Module | griffe.Class) -> None:
    for member in list(scope.members.values()):
        if member.is_alias:
            continue
        if isinstance(member, griffe.Class):
            if any(each.callable_path == SETTINGS for each in member.decorators):
                _document_class(member)
            _walk(member)
        elif isinstance(member, griffe.Module):
            _walk(member)
        elif isinstance(member, griffe.Function):
            for decorator in member.decorators:
                if decorator.callable_path == ACCEPTS:
                    _document_function(member, decorator)


def _document_class(kind: griffe.Class) -> None:
    """Give a settings class the docstring that it has when it is imported, and the settings of its base classes."""
    imported = _imported(kind)
    for name, annotation in _annotations(kind, imported).items():
        if name not in kind.members:
            kind.set_member(name, griffe.Attribute(name, annotation=annotation))
    kind.docstring = griffe.Docstring(imported.__doc__, parent=kind, parser="google", parser_options=OPTIONS)
    kind.members.pop("check", None)  # which is called when settings are made


def _document_function(function: griffe.Function, decorator: griffe.Decorator) -> None:
    """Add the settings of a class to the docstring of a function, whose signature names the class."""
    expression: Any = decorator.value
    name = expression.arguments[0]
    kind: Any = function.modules_collection[name.canonical_path]
    own = {each.name for each in function.parameters}
    text = function.docstring.value if function.docstring else ""
    described = describe(_imported(kind), skipped=own)
    function.docstring = griffe.Docstring(
        f"{text}\n\nKeyword Args:\n{described}", parent=function, parser="google", parser_options=OPTIONS
    )
    added = {
        each: griffe.Parameter(each, annotation=annotation, kind=griffe.ParameterKind.keyword_only)
        for each, annotation in _annotations(kind, _imported(kind)).items()
        if each not in own
    }
    for parameter in function.parameters:
        if parameter.kind is griffe.ParameterKind.var_keyword:
            parameter.annotation = name
    for parameter in added.values():
        function.parameters.add(parameter)
    for section in function.docstring.parsed:  # once: it takes the types from the parameters
        if section.kind is griffe.DocstringSectionKind.other_parameters:
            section.title = "Settings, by name:"
    for each in added:
        del function.parameters[each]


def _annotations(kind: griffe.Class, imported: Any) -> dict[str, Any]:
    """Return the type of each setting, as in the class that declares it."""
    classes = [kind, *kind.mro()]
    return {
        each.name: next(found.members[each.name].annotation for found in classes if each.name in found.members)
        for each in dataclasses.fields(imported)
    }


def _imported(kind: griffe.Class) -> Any:
    return getattr(import_module(kind.module.path), kind.name)
