"""Under which conditions measurements are made: one frozen object, from study file or command to worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    create_model,
    field_validator,
)

from softmode.errors import did_you_mean
from softmode.harmonic.protocol import HarmonicProtocol, named_protocol
from softmode.measurements.declaration import SettingsTable
from softmode.measurements.registry import settings_tables, table_of

Table = TypeVar("Table", bound=SettingsTable)


class Conditions(BaseModel):
    """Everything that is chosen, and not given with material and potential.

    Attributes
    ----------
    protocol : HarmonicProtocol
        How phonons are made and compared.
    seed : int
        Seed of everything random.
    threads : int
        Threads of the numerical libraries. Sums come in another order on another number of threads, so that
        it is part of what determines a result.
    tables : mapping of str to SettingsTable
        Settings of measurements by the name of their table; one that is not there has its defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: HarmonicProtocol = Field(default_factory=HarmonicProtocol)
    seed: int = Field(default=2026, ge=0)
    threads: int = Field(default=1, ge=1)
    tables: dict[str, SerializeAsAny[SettingsTable]] = Field(default_factory=dict)

    @field_validator("protocol", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            return named_protocol(value)
        if isinstance(value, dict) and isinstance(value.get("name", "default"), str):
            changes = dict(value)
            # "yang2026+" is how a changed protocol calls itself in the study's folder
            return named_protocol(changes.pop("name", "default").removesuffix("+"), **changes)
        return value

    @field_validator("tables", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        """Tables that there are, of settings or of what they are made from."""
        known, tables = settings_tables(), dict(value)
        for name, given in tables.items():
            if name not in known:
                raise ValueError(f"there are no settings {name!r}: {did_you_mean(name, list(known))}")
            if isinstance(given, Mapping):
                tables[name] = known[name].model_validate(known[name].completed(given, "default"))
            elif not isinstance(given, known[name]):
                raise ValueError(f"{name}: a {known[name].__name__} is wanted, not a {type(given).__name__}")
        return tables

    @classmethod
    def create(cls, content: Mapping[str, Any] | None = None) -> Conditions:
        """Conditions from the tables of a study file.

        Parameters
        ----------
        content : mapping, optional
            ``protocol``, ``seed``, ``threads``, and settings of measurements by their table. What belongs to
            a named protocol completes them, also where a table is not given at all.

        Raises
        ------
        SettingsError
            If there is no such protocol.
        pydantic.ValidationError
            If something is not valid; locations are those of `content`.
        """
        given = dict(content or {})
        known = settings_tables()
        tables: dict[str, Any] = {name: given.pop(name, {}) for name in known}
        own = cls.model_validate(given)
        for name, kind in known.items():
            if isinstance(tables[name], Mapping):
                tables[name] = kind.completed(tables[name], own.protocol.name)
        fields: dict[str, Any] = {name: (kind, ...) for name, kind in known.items()}
        checked = create_model("Tables", **fields).model_validate(tables)
        return own.model_copy(update={"tables": {name: getattr(checked, name) for name in known}})

    def of(self, kind: type[Table]) -> Table:
        """Settings of a kind."""
        name = table_of(kind)
        if name not in self.tables:
            return kind.model_validate(kind.completed({}, self.protocol.name))
        return cast(Table, self.tables[name])

    def content(self) -> dict[str, Any]:
        """What :meth:`create` makes the same conditions from, JSON-able."""
        whole = self.model_dump(mode="json")
        tables: dict[str, Any] = whole.pop("tables")
        return whole | tables

    def value(self, path: str) -> Any:
        """The value at a path such as ``protocol.symmetrise`` or ``md.temperature``."""
        first, *rest = path.split(".")
        found: Any = self
        if first in self.tables:
            found = self.tables[first]
        elif first in (known := settings_tables()):
            found = self.of(known[first])
        else:
            rest = [first, *rest]
        for part in rest:
            found = getattr(found, part)
        return found


def explain(error: ValidationError, allowed: Mapping[str, Any] = MappingProxyType({})) -> str:
    """One line for the first problem pydantic found.

    Parameters
    ----------
    error : pydantic.ValidationError
        What it raised.
    allowed : mapping of str to model or None
        Keys at the top level, and the models below them.
    """
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if isinstance(part, str)]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        names = _field_names(location[:-1], allowed)
        near = get_close_matches(location[-1], names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(names)}"
        return f"unknown key {where!r} ({hint})"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _field_names(location: list[str], allowed: Mapping[str, Any]) -> list[str]:
    """Keys allowed at a place."""
    model = allowed.get(location[0]) if location else None
    if model is None:
        return list(allowed)
    for part in location[1:]:
        below = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
        model = below or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, or holds several of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _model_in(part)) is not None:
            return found
    return None


def canonical(value: Any) -> Any:
    """A value as it stands in a key: plain JSON; of settings only what determines a result."""
    if isinstance(value, BaseModel):
        return getattr(value, "identity", None) or value.model_dump(mode="json")
    if value is None or type(value) in (bool, int, float, str):
        return value
    return json.loads(json.dumps(value))
