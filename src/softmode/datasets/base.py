"""What every source of reference data offers: a description, quick listing, lazy loading, and selection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from ase.data import atomic_numbers
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from softmode.crystal import Material, Trajectory
from softmode.datasets.prototypes import PrototypeName
from softmode.errors import InputDataError, SettingsError, did_you_mean


@dataclass(frozen=True)
class DatasetInfo:
    """A known kind of dataset.

    Parameters
    ----------
    name : str
        The name used in studies.
    title, holds, citation, licence : str
        For the table of ``softmode datasets``.
    needs_path : bool
        Whether the data must be on this machine and be pointed to.
    options : mapping of str to str
        Options and what they mean.
    """

    name: str
    title: str
    holds: str
    citation: str
    licence: str
    needs_path: bool
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MaterialEntry:
    """A material that has not been read yet. Picklable: worker processes load it themselves.

    Parameters
    ----------
    name : str
        Identifier, unique in its dataset.
    fingerprint : str
        Identity of the source files, those of the trajectory included (relative names, sizes, modification
        times). A key for caches of digests, never part of a result.
    loader : callable
        Reads the material; a module-level function or a `functools.partial` of one.
    trajectory_loader : callable, optional
        Reads its trajectory, in phonopy's supercell order; None when its source has none.
    trajectory_digest : str
        Content digest of that trajectory, where the source knows it without reading; else empty.
    """

    name: str
    fingerprint: str
    loader: Callable[[], Material] = field(repr=False, compare=False)
    trajectory_loader: Callable[[], Trajectory] | None = field(default=None, repr=False, compare=False)
    trajectory_digest: str = ""

    @property
    def has_trajectory(self) -> bool:
        """Whether a trajectory comes with it (reading it may still fail)."""
        return self.trajectory_loader is not None

    def load(self) -> Material:
        """Read the material.

        Raises
        ------
        InputDataError
            If the source is damaged or inconsistent.
        """
        return self.loader()

    def load_trajectory(self) -> Trajectory:
        """Read the reference trajectory, its atoms in phonopy's supercell order of the material.

        Raises
        ------
        InputDataError
            If there is none, or it is damaged or does not belong to the material.
        """
        if self.trajectory_loader is None:
            raise InputDataError(
                self.name,
                "its reference has no trajectory",
                "use a dataset with trajectories, or set the option trajectory of a phonopy dataset",
            )
        return self.trajectory_loader()


@runtime_checkable
class Dataset(Protocol):
    """A source of materials."""

    @property
    def info(self) -> DatasetInfo:
        """What this is."""

    def entries(self) -> Sequence[MaterialEntry]:
        """All materials, listed without reading them, sorted by name."""


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``mp-9`` comes before ``mp-10``."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, (list, set)) else value


def _known_element(symbol: str) -> str:
    if atomic_numbers.get(symbol, 0) < 1:
        raise ValueError(f"{symbol!r} is no chemical symbol")
    return symbol


Elements = Annotated[tuple[Annotated[str, AfterValidator(_known_element)], ...], BeforeValidator(_as_tuple)]


class Selection(BaseModel):
    """Which materials of a dataset are wanted; what is not given does not restrict.

    ``ids`` and ``limit`` act on names, the others on loaded materials; ``limit`` keeps the first that match
    everything else, in natural order of names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prototype: Annotated[
        tuple[PrototypeName | Literal["all"], ...], BeforeValidator(_as_tuple), Field(min_length=1)
    ] = ("all",)
    elements: Elements = ()
    only_elements: Elements = ()
    without_elements: Elements = ()
    ids: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
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
