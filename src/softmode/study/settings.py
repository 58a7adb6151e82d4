"""The study file: what is measured, on which materials, with which potentials."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from softmode.cluster.settings import ClusterSettings
from softmode.datasets.base import Selection
from softmode.datasets.plausibility import known_checks
from softmode.errors import SettingsError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.conditions import Conditions, explain
from softmode.measurements.registry import measurement, named, settings_tables
from softmode.potentials.settings import PotentialSettings


def _known(name: str) -> str:
    """A measurement that can be asked for."""
    try:
        if not measurement(name).title:
            raise ValueError(f"{name!r} is a step on the way to others; give one of {', '.join(named())}")
    except SettingsError as error:
        raise ValueError(f"{name!r}: {error.problem}, {error.remedy}") from error
    return name


MeasurementName = Annotated[str, AfterValidator(_known)]


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
    accept : tuple of str, or dict of str to tuple of str
        Checks of plausibility whose verdict does not count: for all materials, or by the name of each.
    """

    kind: str
    path: Path | None = None
    select: Selection = Field(default_factory=Selection)
    options: dict[str, Any] = Field(default_factory=dict)
    accept: tuple[str, ...] | dict[str, tuple[str, ...]] = ()

    @field_validator("accept")
    @classmethod
    def _known_checks(cls, value: Any) -> Any:
        for names in value.values() if isinstance(value, dict) else [value]:
            try:
                known_checks(names, "accept")
            except SettingsError as error:
                raise ValueError(f"{error.problem}, {error.remedy}") from error
        return value

    def accepted(self, material: str) -> tuple[str, ...]:
        """Checks whose verdict on a material does not count, sorted."""
        names = self.accept.get(material, ()) if isinstance(self.accept, dict) else self.accept
        return tuple(sorted(set(names)))


class LabelSettings(_Settings):
    """Published scores that the potentials' own are compared with, ``[labels]``.

    Attributes
    ----------
    path : Path
        CSV with a formula and a σ in each row; relative to the study file.
    formula_column, sigma_column : str, optional
        Names of the columns, where they are not recognised.
    accept : tuple of str
        Checks of plausibility whose verdict does not count.
    """

    path: Path
    formula_column: str | None = None
    sigma_column: str | None = None
    accept: tuple[str, ...] = ()


class RunSettings(_Settings):
    """How the work is spread; nothing here changes a result.

    Attributes
    ----------
    workers : int, optional
        Worker processes; by default one per core.
    executor : str, optional
        ``module:factory`` that returns any ``concurrent.futures.Executor`` (a cluster's, say). Materials are
        then read in the process that opens the study, not in processes of their own.
    reading_limit : float
        How long reading one material may take, s.
    memory_limit : float, optional
        Memory that a worker may take up, GiB. A worker that takes more is ended, and its case tried alone; so
        is the largest one, with or without a limit, when the machine has next to none left.
    cluster : ClusterSettings, optional
        Workers on a cluster instead of this machine.
    """

    workers: int | None = Field(default=None, ge=1, le=4096)
    executor: str | None = None
    reading_limit: float = Field(default=3600.0, gt=0)
    memory_limit: float | None = Field(default=None, gt=0)
    cluster: ClusterSettings | None = None

    @model_validator(mode="after")
    def _one_engine(self) -> RunSettings:
        if self.executor is not None and self.cluster is not None:
            raise ValueError("give `executor` or `cluster`, not both")
        return self


class StudyPotential(PotentialSettings):
    """A potential of a study, ``[[potential]]``; what it is stands in :class:`PotentialSettings`.

    Attributes
    ----------
    measurements : tuple of str, optional
        Those of the study's measurements that are made with it; all when not given.
    """

    measurements: tuple[MeasurementName, ...] | None = None


class StudySettings(_Settings):
    """A study: materials × potentials, and what is measured in each case.

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
    conditions : Conditions
        Protocol, seed and settings of measurements; in the file each at the top level.
    labels : LabelSettings, optional
        Published scores to compare with.
    run : RunSettings
        How the work is spread.
    """

    name: str
    output: Path
    dataset: DatasetSettings
    potentials: tuple[StudyPotential, ...] = Field(alias="potential", min_length=1)
    measurements: tuple[MeasurementName, ...] = ("harmonic", "modes", "sigma")
    conditions: Conditions = Field(default_factory=Conditions.create)
    labels: LabelSettings | None = None
    run: RunSettings = Field(default_factory=RunSettings)

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

    @model_validator(mode="after")
    def _pools_of_potentials(self) -> StudySettings:
        if self.run.cluster is not None and (misfit := self.run.cluster.misfit(self.labels_of_potentials)):
            raise ValueError(f"run.cluster: {misfit}")
        return self

    @property
    def labels_of_potentials(self) -> tuple[str, ...]:
        """What the potentials are called."""
        return tuple(one.label or one.name for one in self.potentials)

    def measurements_with(self, label: str) -> tuple[str, ...]:
        """Measurements that are made with the potential of that label."""
        own = self.potential(label).measurements
        return self.measurements if own is None else own

    def potential(self, label: str) -> StudyPotential:
        """The potential of that label."""
        return next(one for one in self.potentials if label == (one.label or one.name))

    def content(self) -> dict[str, Any]:
        """What :func:`parse_study` makes the same settings from, JSON-able."""
        own = self.model_dump(mode="json", by_alias=True, exclude={"conditions"})
        return own | self.conditions.content()


#: Keys of a study file that belong to the conditions, besides the tables of measurements.
_CONDITIONS = ("protocol", "seed", "threads")


def parse_study(content: dict[str, Any], source: str) -> StudySettings:
    """Check the content of a study file.

    Raises
    ------
    SettingsError
        Naming the file and the key.
    """
    tables = settings_tables()
    given = {key: value for key, value in content.items() if key in _CONDITIONS or key in tables}
    own = {key: value for key, value in content.items() if key not in given}
    allowed: dict[str, Any] = {
        **{
            info.alias or key: None for key, info in StudySettings.model_fields.items() if key != "conditions"
        },
        **dict.fromkeys(_CONDITIONS),
        "dataset": DatasetSettings,
        "potential": StudyPotential,
        "protocol": HarmonicProtocol,
        "run": RunSettings,
        "labels": LabelSettings,
        **tables,
    }
    if "conditions" in content:
        raise SettingsError(source, "unknown key 'conditions'", f"Known keys: {', '.join(allowed)}")
    try:
        return _at_both_lattices(
            StudySettings.model_validate({**own, "conditions": Conditions.create(given)})
        )
    except ValidationError as error:
        reason = explain(error, allowed)
        remedy = (
            "Correct the study file (see docs/studies.md)" if Path(source).suffix else "Correct the option"
        )
        raise SettingsError(source, reason, remedy) from error
    except SettingsError as error:
        raise SettingsError(source, f"{error.subject} {error.problem}", error.remedy) from error


def _at_both_lattices(settings: StudySettings) -> StudySettings:
    """With the measurement that ``structure = "both"`` asks for; a potential's own list is what it says."""
    names = settings.measurements
    if settings.conditions.protocol.structure != "both" or "harmonic" not in names or "lattice" in names:
        return settings
    return settings.model_copy(update={"measurements": (*names, "lattice")})


#: What a study's folder holds of its settings.
SETTINGS_FILE = "study.json"


def load_study(path: Path) -> StudySettings:
    """Read a study file (TOML), or what the folder of a study holds of its settings.

    Paths of data, labels and ``output``, which defaults to ``runs/<file name>``, are taken relative to the
    study file.

    Raises
    ------
    SettingsError
        If the file is missing, not TOML or not a valid study.
    """
    if path.is_dir():
        return parse_study({**saved_settings(path), "output": str(path)}, str(path / SETTINGS_FILE))
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


def saved_settings(folder: Path) -> dict[str, Any]:
    """The settings that a study's folder holds.

    Raises
    ------
    SettingsError
        If it holds none.
    """
    try:
        return dict(json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            str(folder), "holds no study", "Give the folder that `softmode run` wrote"
        ) from error


def changed(
    settings: StudySettings,
    *,
    only: Sequence[str] = (),
    also: Sequence[str] = (),
    output: Path | None = None,
) -> StudySettings:
    """Settings with what a command says otherwise.

    Parameters
    ----------
    settings : StudySettings
        Of the study.
    only : sequence of str
        Names of materials: no others.
    also : sequence of str
        Measurements that are made besides, with all potentials.
    output : Path, optional
        Another folder.

    Raises
    ------
    SettingsError
        If there is no such measurement.
    """
    content = settings.content()
    if only:
        content["dataset"]["select"] |= {"ids": list(only), "limit": None}
    if also:
        for table in (content, *content["potential"]):
            if table["measurements"] is not None:
                table["measurements"] = list(dict.fromkeys([*table["measurements"], *also]))
    if output is not None:
        content["output"] = str(output)
    return parse_study(content, "the command")
