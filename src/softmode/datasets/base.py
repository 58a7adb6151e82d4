"""What every kind of dataset offers: a description, options, quick listing, lazy loading, and selection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from ase.data import atomic_numbers
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from softmode.crystal import Material, Trajectory
from softmode.crystal.arrays import array_digest
from softmode.datasets.names import natural_key
from softmode.datasets.plausibility import plausible, plausible_trajectory
from softmode.datasets.prototypes import PrototypeName, prototype_named
from softmode.datasets.remote import Remote
from softmode.errors import InputDataError, SettingsError, did_you_mean, printable


class DatasetOptions(BaseModel):
    """What can be said about a kind of dataset besides its path; none here, a subclass has fields.

    The description of a field is what ``softmode datasets`` says of the option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def create(cls, dataset: str, given: Mapping[str, Any]) -> Self:
        """From whatever a study file or a caller gives.

        Raises
        ------
        SettingsError
            Naming the first option that does not exist or makes no sense.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:1])
        known = cls.model_fields
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"dataset {dataset}",
                f"there is no option {key!r}",
                did_you_mean(key, list(known)) if known else "it has none",
            )
        said = first["msg"].removeprefix("Value error, ")
        meaning = f"{key}: {known[key].description or 'see docs/datasets.md'}"
        raise SettingsError(f"dataset {dataset}", f"{key} = {given[key]!r} makes no sense ({said})", meaning)


@dataclass(frozen=True)
class MaterialEntry:
    """A material that has not been read yet. Picklable: worker processes load it themselves.

    Parameters
    ----------
    name : str
        Identifier, unique in its dataset.
    source : str
        Identity of the source files, those of the trajectory included (relative names, sizes, modification
        times). A key for caches of digests, never part of a result.
    loader : callable
        Reads the material; a module-level function or a `functools.partial` of one.
    trajectory_loader : callable, optional
        Reads its trajectory, in phonopy's supercell order; None when its source has none.
        `softmode.datasets.trajectory_source.RunsLoader` where all frames can be kept by ``softmode ingest``.
    trajectory_digest : str
        Content digest of that trajectory, where the source knows it without reading; else empty.
    tags : mapping of str to str
        What is known of it besides its files; joins the tags of what is loaded (``problems`` are added to).
    choice : str
        Which frames are taken, where that can be chosen; part of the fingerprint.
    place : str
        File or folder that messages name; the name where empty.
    accept : tuple of str
        Checks (:data:`softmode.datasets.plausibility.CHECKS`) whose verdict on it does not count; sorted.
    """

    name: str
    source: str
    loader: Callable[[], Material] = field(repr=False, compare=False)
    trajectory_loader: Callable[[], Trajectory] | None = field(default=None, repr=False, compare=False)
    trajectory_digest: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    choice: str = ""
    place: str = field(default="", compare=False)
    accept: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes whenever what would be loaded may have changed."""
        own = self.source + self.choice
        if self.tags:
            own = array_digest(self.source, tuple(sorted(self.tags.items())), self.choice)
        return array_digest(own, self.accept) if self.accept else own

    @property
    def has_trajectory(self) -> bool:
        """Whether a trajectory comes with it (reading it may still fail)."""
        return self.trajectory_loader is not None

    def load(self) -> Material:
        """Read the material.

        Raises
        ------
        InputDataError
            If the source is damaged or inconsistent, or its data are not plausible and not accepted.
        """
        material = plausible(self.loader(), self.accept, self.place or self.name)
        if not self.tags:
            return material
        problems = [tags["problems"] for tags in (material.tags, self.tags) if tags.get("problems")]
        said = {"problems": "; ".join(problems)} if problems else {}
        return replace(material, tags={**material.tags, **self.tags, **said})

    def load_trajectory(self) -> Trajectory:
        """Read the reference trajectory, its atoms in phonopy's supercell order of the material.

        Raises
        ------
        InputDataError
            If there is none, or it is damaged, does not belong to the material, or is not plausible and not
            accepted.
        """
        if self.trajectory_loader is None:
            raise InputDataError(
                self.name,
                "its reference has no trajectory",
                "use a dataset with trajectories, or set the option trajectory of a phonopy dataset",
            )
        trajectory = self.trajectory_loader()
        try:
            material: Material | None = self.loader()
        except InputDataError:  # its force constants are missing, say
            material = None
        return plausible_trajectory(
            trajectory, material, self.accept, f"{self.place or self.name}, trajectory"
        )


@dataclass(frozen=True)
class DatasetKind:
    """A kind of dataset: all that softmode needs to know of it. A module exports one.

    Parameters
    ----------
    name : str
        The name used in studies.
    title, holds, citation, licence : str
        For the table of ``softmode datasets``.
    entries : callable
        Its materials at a path (None where none is given) with options, listed without reading them, in any
        order; `FromPaths` where each is a file or folder.
    options : type of DatasetOptions
        Its options.
    path : {"needed", "optional", "none"}
        Whether the data must be on this machine and be pointed to.
    recognises : callable, optional
        Whether a path is one of its own, so that :func:`softmode.datasets.open_reference` finds it.
    aliases : tuple of str
        Other names; as a reference they stand for the data themselves where no path is needed.
    remote : Remote, optional
        What ``softmode fetch`` can get of it.
    check_trajectory : callable, optional
        Notes on a trajectory and what it belongs to
        (:data:`softmode.datasets.trajectory_source.TrajectoryCheck`), for trajectories read from a store.
    """

    name: str
    title: str
    holds: str
    citation: str
    licence: str
    entries: Callable[[Any, Any], Iterable[MaterialEntry]] = field(repr=False)
    options: type[DatasetOptions] = DatasetOptions
    path: Literal["needed", "optional", "none"] = "needed"
    recognises: Callable[[Path], bool] | None = None
    aliases: tuple[str, ...] = ()
    remote: Remote | None = None
    check_trajectory: Callable[..., tuple[str, ...]] | None = None

    @property
    def option_meanings(self) -> dict[str, str]:
        """Options and what they mean."""
        return {name: info.description or "" for name, info in self.options.model_fields.items()}


@dataclass(frozen=True)
class Dataset:
    """A source of materials: a kind, where it is, and its options."""

    kind: DatasetKind
    path: Path | None
    options: DatasetOptions

    def entries(self) -> Sequence[MaterialEntry]:
        """All materials, listed without reading them, in natural order of names.

        Raises
        ------
        InputDataError
            If nothing is found, or two materials bear the same name.
        """
        found = [
            replace(entry, name=printable(entry.name)) for entry in self.kind.entries(self.path, self.options)
        ]
        return sorted(found, key=lambda entry: natural_key(entry.name))


@dataclass(frozen=True)
class FromPaths:
    """Lists a dataset whose materials are files or folders, one each: the `entries` of its kind.

    Parameters
    ----------
    sources : callable
        The files or folders of materials at a path.
    entry : callable
        The entry of one of them, with the options of the dataset.
    nothing : (str, str)
        What is wrong, and the remedy, where there is none.
    """

    sources: Callable[[Path], Iterable[Path]]
    entry: Callable[[Path, Any], MaterialEntry]
    nothing: tuple[str, str]

    def __call__(self, path: Path, options: Any) -> list[MaterialEntry]:
        """Entries of the materials at a path.

        Raises
        ------
        InputDataError
            If nothing is found, or two sources bear the same name.
        """
        named = [(source.name, self.entry(source, options)) for source in self.sources(path)]
        if not named:
            raise InputDataError(str(path), *self.nothing)
        return distinct(str(path), named)


def distinct(subject: str, named: Iterable[tuple[str, MaterialEntry]]) -> list[MaterialEntry]:
    """The entries of sources, given with what messages call these.

    Raises
    ------
    InputDataError
        If two bear the same name.
    """
    found: dict[str, tuple[str, MaterialEntry]] = {}
    for source, entry in named:
        if entry.name in found:
            raise InputDataError(
                subject,
                f"{found[entry.name][0]} and {source} are both named {entry.name}",
                "rename or remove one of them",
            )
        found[entry.name] = (source, entry)
    return [entry for _, entry in found.values()]


def as_tuple(value: Any) -> Any:
    """One name or path, or a list of such, for a field that is a tuple."""
    if isinstance(value, (str, Path)):
        return (value,)
    return tuple(value) if isinstance(value, (list, set)) else value


def _known_element(symbol: str) -> str:
    if atomic_numbers.get(symbol, 0) < 1:
        raise ValueError(f"{symbol!r} is no chemical symbol")
    return symbol


def _prototype(name: Any) -> Any:
    try:
        return name if name == "all" or not isinstance(name, str) else prototype_named(name)
    except SettingsError as error:
        raise ValueError(f"{name!r}: {error.problem} ({error.remedy})") from error


PrototypeChoice = Annotated[PrototypeName | Literal["all"], BeforeValidator(_prototype)]
Elements = Annotated[tuple[Annotated[str, AfterValidator(_known_element)], ...], BeforeValidator(as_tuple)]


class Selection(BaseModel):
    """Which materials of a dataset are wanted; what is not given does not restrict.

    ``ids`` and ``limit`` act on names, the others on loaded materials; ``limit`` keeps the first that match
    everything else, in natural order of names.

    Attributes
    ----------
    prototype : tuple of str
        Structure types; ``all`` for any.
    elements : tuple of str
        All of these are present.
    only_elements : tuple of str
        Nothing but these is present.
    without_elements : tuple of str
        None of these is present.
    ids : tuple of str
        Names of materials.
    limit : int, optional
        The first so many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prototype: Annotated[tuple[PrototypeChoice, ...], BeforeValidator(as_tuple), Field(min_length=1)] = (
        "all",
    )
    elements: Elements = ()
    only_elements: Elements = ()
    without_elements: Elements = ()
    ids: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    limit: Annotated[int, Field(ge=1)] | None = None

    def matches(self, material: Material) -> bool:
        """Whether a material has a wanted prototype and wanted elements."""
        present = set(material.elements)
        return (
            ("all" in self.prototype or material.tags.get("prototype") in self.prototype)
            and present.issuperset(self.elements)
            and (not self.only_elements or present.issubset(self.only_elements))
            and present.isdisjoint(self.without_elements)
        )

    def pick(self, entries: Sequence[MaterialEntry]) -> list[MaterialEntry]:
        """The entries asked for by `ids` (all when empty), in natural order of names; nothing is loaded.

        Raises
        ------
        SettingsError
            If an id does not exist; names that look like it are listed.
        """
        by_name = {entry.name: entry for entry in entries}
        for wanted in self.ids:
            if wanted not in by_name:
                known = sorted(by_name, key=natural_key)
                raise SettingsError(
                    f"id {wanted!r}", "there is no such material", did_you_mean(wanted, known)
                )
        chosen = [by_name[name] for name in (self.ids or by_name)]
        return sorted(dict.fromkeys(chosen), key=lambda entry: natural_key(entry.name))


def select(
    entries: Sequence[MaterialEntry], selection: Selection
) -> Iterator[tuple[MaterialEntry, Material | InputDataError]]:
    """Load what a selection asks for, one by one.

    A material that cannot be read is given as its error, never skipped: whether it would have matched is
    unknown. It does not count towards ``limit``.

    Raises
    ------
    SettingsError
        If an id does not exist.
    """
    found = 0
    for entry in selection.pick(entries):
        if selection.limit is not None and found >= selection.limit:
            return
        try:
            material = entry.load()
        except InputDataError as error:
            yield entry, error
            continue
        if selection.matches(material):
            found += 1
            yield entry, material
