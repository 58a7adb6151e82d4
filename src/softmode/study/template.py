"""A commented study file to begin with, made from the models of the settings themselves."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from softmode.measurements.conditions import Conditions
from softmode.measurements.registry import settings_tables
from softmode.study.settings import (
    DatasetSettings,
    LabelSettings,
    RunSettings,
    StudyPotential,
    StudySettings,
    parse_study,
)

_WIDTH = 100
_ENTRY = re.compile(r"^(\w+(?:, \w+)*) : .*$")

_HEAD = """\
A study of softmode: materials × potentials, and what is measured in each cell. Run it with

  softmode run FILE

A line like this one explains. A line such as `#seed = 2026` holds a default: remove the # to change
it. Where there is no value, the setting is not given. docs/studies.md says more.
"""


def study_template(name: str, file: str) -> str:
    """Text of a study file with every setting, its default and what it is.

    It scores CHGNet on the embedded example as it stands.

    Parameters
    ----------
    name : str
        Title of the study, and name of its folder.
    file : str
        Name of the file, for the comment on how to run it.

    Returns
    -------
    str
        TOML.
    """
    content = {
        "name": name,
        "output": f"runs/{name}",
        "dataset": {"kind": "example"},
        "potential": [{"name": "chgnet"}],
    }
    settings = parse_study(content, "the template")
    given = {*content, "dataset.kind", "potential.name", "measurements"}
    lines = [f"# {line}".rstrip() for line in _HEAD.replace("FILE", file).splitlines()]
    plain, tables = _split(settings)
    for model, values in plain:
        lines += _entries(values, model, given, "")
    for key, (model, values) in tables.items():
        lines += _table(key, model, values, given)
    return "\n".join(lines) + "\n"


def _split(
    settings: StudySettings,
) -> tuple[list[tuple[type[BaseModel], dict[str, Any]]], dict[str, tuple[type[BaseModel], Any]]]:
    """Single values of a study with their models, and its tables; None for a table that is not there."""
    content, conditions = settings.content(), settings.conditions
    own = {info.alias or name: name for name, info in StudySettings.model_fields.items()}
    models: dict[str, type[BaseModel]] = {
        "dataset": DatasetSettings,
        "potential": StudyPotential,
        "protocol": type(conditions.protocol),
        **settings_tables(),
        "labels": LabelSettings,
        "run": RunSettings,
    }
    single = {key: value for key, value in content.items() if key not in models}
    plain: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (StudySettings, {key: value for key, value in single.items() if key in own}),
        (Conditions, {key: value for key, value in single.items() if key not in own}),
    ]
    return plain, {key: (model, content[key]) for key, model in models.items()}


def _table(key: str, model: type[BaseModel], values: Any, given: set[str]) -> Iterator[str]:
    """A table, and the tables in it; one that a study can be without as a comment."""
    yield ""
    yield from _comment(_summary(model))
    absent = values is None
    header = f"[[{key}]]" if isinstance(values, list) else f"[{key}]"
    yield f"#{header}" if absent else header
    if isinstance(values, list):
        [values] = values
    values = values or dict.fromkeys(info.alias or name for name, info in model.model_fields.items())
    inner = {
        name: below
        for name, info in model.model_fields.items()
        if (below := _model_below(info.annotation)) is not None
    }
    yield from _entries(
        {name: value for name, value in values.items() if name not in inner}, model, given, key
    )
    for name, below in inner.items():
        yield from _table(f"{key}.{name}", below, values[name], given)


def _model_below(annotation: Any) -> type[BaseModel] | None:
    """The model of a table below, which may be one that need not be there."""
    models = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    return next((kind for kind in models if issubclass(kind, BaseModel)), None)


def _entries(values: Mapping[str, Any], model: type[BaseModel], given: set[str], table: str) -> Iterator[str]:
    """Settings with what they are; those that are not given as comments."""
    said = descriptions(model)
    names = {info.alias or name: name for name, info in model.model_fields.items()}
    for key, value in values.items():
        yield ""
        choices = _choices(model.model_fields[names[key]].annotation)
        among = f"One of {', '.join(choices)}." if choices else ""
        yield from _comment(f"{said.get(names[key], '')} {among}".strip())
        line = f"{key} = {_toml(value)}" if value is not None else f"{key} ="
        yield line if (f"{table}.{key}" if table else key) in given else f"#{line}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_long_words=False)]


def _summary(model: type[BaseModel]) -> str:
    """What a model says first of itself, without markup."""
    first = _plain(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0])
    return first.partition(";")[0].rstrip(".") + "."


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a settings model, and of those it extends, says of each field."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            found |= _numpy_entries(inspect.cleandoc(kind.__doc__ or ""))
    return found


def _numpy_entries(docstring: str) -> dict[str, str]:
    """Names and descriptions of the sections of a NumPy-style docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names = entry[1].split(", ")
        elif names and line.startswith("    "):
            for name in names:
                found[name] = _plain(f"{found.get(name, '')} {line.strip()}".strip())
        elif line:
            names = []
    return found


def _plain(text: str) -> str:
    """Without the markup of docstrings."""
    text = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text)
    return " ".join(text.replace("``", "`").split())


def _choices(annotation: Any) -> list[str]:
    """The words that a setting may be."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
