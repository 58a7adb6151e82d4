"""The study file: what is measured, on which materials, with which potentials."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from softmode.configurations import KernelSettings, SoapSettings
from softmode.datasets.base import Selection
from softmode.errors import SettingsError
from softmode.harmonic.protocol import HarmonicProtocol, named_protocol
from softmode.potentials.settings import PotentialSettings
from softmode.study.map_settings import MapSettings
from softmode.study.sampling_settings import (
    DynamicsSettings,
    OneShotSettings,
    SelfConsistentSampling,
    with_named_dynamics,
)

MeasurementName = Literal[
    "harmonic", "sigma", "model_phonons", "one_shot", "self_consistent", "model_only", "map"
]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DatasetSettings(_Settings):
    """Where the reference data comes from.

    Attributes
    ----------
    kind : str
        A name of ``softmode datasets``.
    path : Path, optional
        Folder or file; relative to the study file.
    select : Selection
        Which materials.
    options : dict
        Further options of the data source.
    """

    kind: str
    path: Path | None = None
    select: Selection = Field(default_factory=Selection)
    options: dict[str, Any] = Field(default_factory=dict)


class LabelSettings(_Settings):
    """Published scores that the potentials' own are compared with, ``[labels]``.

    Attributes
    ----------
    path : Path
        CSV with a formula and a σ in each row; relative to the study file.
    formula_column, sigma_column : str, optional
        Names of the columns, where they are not recognised.
    """

    path: Path
    formula_column: str | None = None
    sigma_column: str | None = None


class RunSettings(_Settings):
    """How the work is spread; nothing here changes a result.

    Attributes
    ----------
    workers : int, optional
        Worker processes; by default one per core.
    executor : str, optional
        ``module:factory`` that returns any ``concurrent.futures.Executor`` (a cluster's, say).
    """

    workers: int | None = Field(default=None, ge=1)
    executor: str | None = None


class StudyPotential(PotentialSettings):
    """A potential of a study, ``[[potential]]``; what it is stands in :class:`PotentialSettings`.

    Attributes
    ----------
    measurements : tuple of str, optional
        Those of the study's measurements that are made with it; all when not given.
    """

    measurements: tuple[MeasurementName, ...] | None = None


class StudySettings(_Settings):
    """A study: materials × potentials, and what is measured in each cell.

    Attributes
    ----------
    name : str
        Title of the study.
    output : Path
        The study's folder; relative to the study file.
    dataset : DatasetSettings
        The materials.
    potentials : tuple of StudyPotential
        The potentials, ``[[potential]]`` in the file.
    measurements : tuple of str
        What is measured.
    protocol : HarmonicProtocol
        Named protocol with changes: ``[protocol]`` with ``name`` and any of its fields.
    one_shot : OneShotSettings
        How thermal samples are drawn.
    md : DynamicsSettings
        How molecular dynamics is made; what is not set is that of the named protocol.
    self_consistent : SelfConsistentSampling
        How self-consistent samples are drawn.
    map : MapSettings
        How maps of configuration space are made.
    labels : LabelSettings, optional
        Published scores to compare with.
    run : RunSettings
        How the work is spread.
    seed : int
        Seed of everything random (bootstrap); recorded.
    """

    name: str
    output: Path
    dataset: DatasetSettings
    potentials: tuple[StudyPotential, ...] = Field(alias="potential", min_length=1)
    measurements: tuple[MeasurementName, ...] = ("harmonic", "sigma")
    protocol: HarmonicProtocol = Field(default_factory=HarmonicProtocol)
    one_shot: OneShotSettings = Field(default_factory=OneShotSettings)
    md: DynamicsSettings = Field(default_factory=DynamicsSettings)
    self_consistent: SelfConsistentSampling = Field(default_factory=SelfConsistentSampling)
    map: MapSettings = Field(default_factory=MapSettings)
    labels: LabelSettings | None = None
    run: RunSettings = Field(default_factory=RunSettings)
    seed: int = 2026

    @model_validator(mode="before")
    @classmethod
    def _dynamics_of_protocol(cls, content: Any) -> Any:
        """Complete ``[md]`` by what belongs to the named protocol."""
        given = content.get("md", {}) if isinstance(content, dict) else None
        if not isinstance(given, dict):
            return content
        protocol = content.get("protocol", "default")
        name = protocol.get("name", "default") if isinstance(protocol, dict) else protocol
        return {**content, "md": with_named_dynamics(str(getattr(name, "name", name)), given)}

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

    @field_validator("potentials")
    @classmethod
    def _distinct(cls, value: tuple[StudyPotential, ...]) -> tuple[StudyPotential, ...]:
        labels = [settings.label or settings.name for settings in value]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two potentials are called {twice[0]!r}: give one of them a `label`")
        return value

    @model_validator(mode="after")
    def _measurements_of_potentials(self) -> StudySettings:
        for potential in self.potentials:
            more = [name for name in potential.measurements or () if name not in self.measurements]
            if more:
                raise ValueError(
                    f"potential {potential.label or potential.name!r} names {more[0]!r}, which is none of "
                    "the study's `measurements`: add it there"
                )
        return self

    def measurements_with(self, label: str) -> tuple[str, ...]:
        """Measurements that are made with the potential of that label."""
        for potential in self.potentials:
            if label == (potential.label or potential.name) and potential.measurements is not None:
                return potential.measurements
        return self.measurements


def _field_names(location: tuple[str | int, ...]) -> list[str]:
    """Keys allowed where an unknown key was found."""
    model: Any = StudySettings
    known: dict[str, Any] = {
        "dataset": DatasetSettings,
        "select": Selection,
        "potential": StudyPotential,
        "protocol": HarmonicProtocol,
        "run": RunSettings,
        "labels": LabelSettings,
        "one_shot": OneShotSettings,
        "md": DynamicsSettings,
        "self_consistent": SelfConsistentSampling,
        "map": MapSettings,
        "soap": SoapSettings,
        "kernel": KernelSettings,
    }
    for part in location[:-1]:
        model = known.get(str(part), model)
    return [info.alias or name for name, info in model.model_fields.items()]


def explain(error: ValidationError) -> str:
    """One line for the first problem pydantic found."""
    first = error.errors()[0]
    location = first["loc"]
    where = ".".join(str(part) for part in location) or "the file"
    if first["type"] == "extra_forbidden":
        allowed = _field_names(location)
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(allowed)}"
        return f"unknown key {where!r} ({hint})"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}"


def parse_study(content: dict[str, Any], source: str) -> StudySettings:
    """Check the content of a study file.

    Raises
    ------
    SettingsError
        Naming the file and the key.
    """
    try:
        return StudySettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(source, explain(error), "Correct the study file (see docs/studies.md)") from error
    except SettingsError as error:
        raise SettingsError(source, f"{error.subject} {error.problem}", error.remedy) from error


def load_study(path: Path) -> StudySettings:
    """Read a study file (TOML).

    Paths of data, labels and ``output``, which defaults to ``runs/<file name>``, are taken relative to the
    study file.

    Raises
    ------
    SettingsError
        If the file is missing, not TOML or not a valid study.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            str(path), f"cannot be read ({error.strerror})", "Give an existing study file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"is not valid TOML ({error})", "Correct the study file") from error
    content.setdefault("name", path.stem)
    content.setdefault("output", str(Path("runs") / path.stem))
    tables = (content.get("dataset"), content.get("labels"))
    places = [(content, "output"), *((table, "path") for table in tables if isinstance(table, dict))]
    for table, key in places:
        if isinstance(table.get(key), str):
            table[key] = str((path.parent / table[key]).resolve())
    return parse_study(content, str(path))
