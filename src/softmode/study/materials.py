"""The materials of a study by digest, remembered so that a large study starts and reports without parsing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from softmode.crystal import Cell, Material
from softmode.datasets.base import MaterialEntry, Selection
from softmode.datasets.plausibility import CHECKS, accepted_together
from softmode.files import write_atomically
from softmode.measurements.declaration import Facts
from softmode.measurements.measure import failure_of
from softmode.processes import apart
from softmode.records import Failure, digest_of


class MaterialSummary(BaseModel):
    """What tables and keys need to know of a material.

    Attributes
    ----------
    name : str
        Identifier in the dataset.
    fingerprint : str
        Cheap identity of its source files; when it changes the material is read again.
    formula, group : str
        For tables; empty when the material could not be read.
    n_supercell_atoms : int
        Atoms of the supercell.
    tags : dict of str to str
        Of the material.
    structure, reference : str
        Content digests; of the fingerprint when the material could not be read. `reference` is empty for a
        structure that comes without reference data.
    trajectory : str
        Digest of its reference trajectory; of the fingerprint when unreadable; empty when it has none.
    cell : dict or None
        Its unit cell, for pages: ``lattice`` (rows, Å), ``symbols``, fractional ``positions``.
    selection, selected : str, bool
        Digest of the study's selection and of the limits of plausibility; whether it takes the material.
    failure : str
        Why it could not be read, else empty.
    failure_kind : str
        Kind of that failure.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    fingerprint: str
    formula: str = ""
    group: str = ""
    n_supercell_atoms: int = 0
    tags: dict[str, str] = {}
    structure: str = ""
    reference: str = ""
    trajectory: str = ""
    cell: dict[str, Any] | None = None
    selection: str = ""
    selected: bool = True
    failure: str = ""
    failure_kind: str = ""

    def facts(self, potential: str, level_of_theory: str) -> Facts:
        """What a case of this material and a potential of that digest and training is."""
        return Facts(
            self.structure,
            self.reference,
            self.trajectory,
            potential,
            self.tags,
            level_of_theory,
        )

    def as_failure(self) -> Failure:
        """The failure recorded in every cell of a material that could not be read."""
        return Failure(kind=self.failure_kind, message=self.failure)


def _summarise(entry: MaterialEntry, selection: Selection) -> MaterialSummary:
    try:
        material: Material = entry.load()
    except Exception as error:  # noqa: BLE001  whatever it is, it is this material's failure
        return _unread(entry, error)
    trajectory, accepted = _trajectory(entry)
    return MaterialSummary(
        name=entry.name,
        fingerprint=entry.fingerprint,
        formula=material.formula,
        group=material.group,
        n_supercell_atoms=material.n_supercell_atoms,
        tags=accepted_together(material.tags, accepted),
        structure=material.structure_digest,
        reference=material.reference_digest,
        trajectory=trajectory,
        cell=_shown(material.unitcell),
        selected=selection.matches(material),
    )


def _shown(cell: Cell) -> dict[str, Any]:
    """A cell to look at."""
    return {
        "lattice": cell.lattice.round(6).tolist(),
        "symbols": list(cell.symbols),
        "positions": cell.scaled_positions.round(6).tolist(),
    }


def _reading(entry: MaterialEntry) -> str:
    return f"reading {entry.name}"


def _unread(entry: MaterialEntry, error: Exception) -> MaterialSummary:
    """The summary of a material that could not be read, for whatever reason."""
    failure = failure_of(error, _reading(entry))
    unread = digest_of({"unread": entry.fingerprint, "name": entry.name})
    return MaterialSummary(
        name=entry.name,
        fingerprint=entry.fingerprint,
        structure=unread,
        reference=unread,
        failure=failure.message,
        failure_kind=failure.kind,
    )


def _trajectory(entry: MaterialEntry) -> tuple[str, Mapping[str, str]]:
    """Digest of the trajectory, and what was accepted of it.

    One that cannot be read fails the measurements that need it, no others.
    """
    if not entry.has_trajectory or entry.trajectory_digest:
        return entry.trajectory_digest, {}
    try:
        trajectory = entry.load_trajectory()
    except Exception:  # noqa: BLE001  whatever it is, reading it again will say
        return digest_of({"unread trajectory": entry.fingerprint, "name": entry.name}), {}
    return trajectory.digest, trajectory.accepted


def remembered_materials(index: Path) -> list[MaterialSummary]:
    """Summaries that an earlier run left behind; empty when there are none."""
    try:
        content: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        return [MaterialSummary.model_validate(item) for item in content["materials"]]
    except (ValueError, KeyError, OSError):
        return []  # a cache: what cannot be read is made again


def take(summaries: Sequence[MaterialSummary], selection: Selection) -> list[MaterialSummary]:
    """Return those the selection takes; unreadable ones stay, without using up its limit."""
    taken, readable = [], 0
    for summary in summaries:
        within = selection.limit is None or readable < selection.limit
        if within and (summary.selected or summary.failure):
            taken.append(summary)
            readable += not summary.failure
    return taken


def _portions(entries: Sequence[MaterialEntry], limit: int | None) -> Iterator[Sequence[MaterialEntry]]:
    """Entries to read one portion after the other, until there are enough: of a limit as many, then more."""
    start, size = 0, limit or len(entries)
    while start < len(entries):
        yield entries[start : start + size]
        start, size = start + size, 2 * size


def _enough(
    entries: Sequence[MaterialEntry], known: Mapping[str, MaterialSummary], selection: Selection
) -> bool:
    """Whether the selection takes nothing more, whatever the first entry that is not known may hold."""
    first = takewhile(lambda entry: entry.name in known, entries)
    readable = [item for item in take([known[entry.name] for entry in first], selection) if not item.failure]
    return len(readable) == selection.limit


def summarise_materials(
    entries: Sequence[MaterialEntry],
    selection: Selection,
    index: Path,
    *,
    advance: Callable[[int, int], None] = lambda done, total: None,
    workers: int | None = None,
    seconds: float = 3600.0,
) -> list[MaterialSummary]:
    """Summaries of all entries that the selection takes, or that could not be read.

    Parameters
    ----------
    entries : sequence of MaterialEntry
        Entries of the dataset.
    selection : Selection
        Which materials the study wants.
    index : Path
        JSON file in which summaries are remembered; only what changed is read again.
    advance : callable
        Told how many of how many entries are known; with a limit only so many are read as it takes.
    workers : int, optional
        Processes to read materials in, so that one that hangs its reader, or kills it, costs no other one;
        they are read in this process when not given.
    seconds : float
        How long reading one may then take.
    """
    limits = {name: str((check.low, check.high)) for name, check in CHECKS.items()}
    wanted = digest_of({"selection": selection.model_dump(mode="json"), "checks": limits})
    remembered = {item.name: item for item in remembered_materials(index) if item.selection == wanted}
    known: dict[str, MaterialSummary] = {}
    unread: list[MaterialEntry] = []
    for entry in entries:
        item = remembered.get(entry.name)
        if item is None or item.fingerprint != entry.fingerprint or item.failure or item.cell is None:
            unread.append(entry)
        else:
            known[entry.name] = item
    if not unread:
        advance(len(known), len(known))
    read = partial(_summarise, selection=selection)
    for some in _portions(unread, selection.limit):
        if _enough(entries, known, selection):
            break
        total = len(known) + len(some)
        advance(len(known), total)
        made = (
            enumerate(map(read, some))
            if workers is None
            else apart(read, some, _reading, workers=workers, seconds=seconds)
        )
        for place, outcome in made:
            entry = some[place]
            known[entry.name] = _unread(entry, outcome) if isinstance(outcome, Exception) else outcome
            advance(len(known), total)
    found = [known[entry.name] for entry in entries if entry.name in known]
    summaries = [item.model_copy(update={"selection": wanted}) for item in found]
    lines = ",\n".join(json.dumps(item.model_dump(mode="json")) for item in summaries)
    text = f'{{"materials": [\n{lines}\n]}}'
    if not index.exists() or index.read_text(encoding="utf-8") != text:
        write_atomically(index, text.encode())
    return take(summaries, selection)
