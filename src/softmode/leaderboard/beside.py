"""Which results may be set beside the packaged ones: those made of the same data in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from softmode.crystal import Material
from softmode.crystal.arrays import FloatArray
from softmode.leaderboard.boards import ALL, HARMONIC, RANKED_BY, SIGMA, Board, Figure, packaged
from softmode.leaderboard.standing import Standing, standing
from softmode.measurements import plan
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts
from softmode.potentials.registry import find_entry
from softmode.records import digest_of
from softmode.study.folder import Study
from softmode.study.results import FAILED, OK, PENDING, numbers_in
from softmode.style import order_groups

#: Characters of a digest that tables hold.
_SHORT = 16


def short(digest: str) -> str:
    """A digest as tables hold it."""
    return digest[:_SHORT]


def yardsticks(facts: Facts, conditions: Conditions) -> dict[str, str]:
    """By measurement, the digest of all that determines its result but the potential, as tables hold it."""
    inputs = plan.yardsticks((HARMONIC, SIGMA), facts, conditions)
    return {name: short(digest_of(inputs[name])) for name in (HARMONIC, SIGMA) if name in inputs}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A potential on the materials that it has in common with a board.

    Parameters
    ----------
    potential : str
        Its label.
    measurement : str
        Which results these are.
    board : Board
        Of these materials alone.
    values : mapping of str to (n_materials,) array
        By name of figure, as the board has them; NaN where it failed.
    itself : str
        The board's name of it, where it is one of those; else empty.
    """

    potential: str
    measurement: str
    board: Board
    values: Mapping[str, FloatArray]
    itself: str = ""

    def standing(self, figure: Figure, group: str = ALL, seed: int = 2026) -> Standing | None:
        """Where it stands by a figure, on the materials of a group."""
        own = self.values.get(figure.name)
        if own is None:
            return None
        rows = [at for at, row in enumerate(self.board.materials) if group in (ALL, row["group"])]
        part = self.board.part(rows)
        return standing(own[rows], part, figure, group=group, without=self.itself, seed=seed)


def standings(one: Candidate, seed: int = 2026) -> list[Standing]:
    """Where a candidate stands: by the figure that ranks, overall and by group, then by others overall."""
    by = RANKED_BY[one.measurement]
    groups = order_groups(one.board.groups) if len(one.board.groups) > 1 else []
    asked = [(by, group) for group in (ALL, *groups)]
    asked += [(f, ALL) for f in one.board.figures if f.measurement == one.measurement and f is not by]
    found = (one.standing(figure, group, seed) for figure, group in asked)
    return [stand for stand in found if stand is not None]


def candidates_of_study(
    study: Study, cells: pd.DataFrame, boards: Sequence[Board] | None = None
) -> tuple[list[Candidate], str]:
    """Potentials of a study beside those of the boards, and why none is, in a sentence, where that is so.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        Its table.
    boards : sequence of Board, optional
        The packaged ones when not given.
    """
    boards = packaged() if boards is None else boards
    found: list[Candidate] = []
    alike = False
    of_material = {case.material.name: case.facts for case in study.cases}
    packed_in = {row["reference"] for board in boards for row in board.materials}
    sticks = {
        name: yardsticks(facts, study.settings.conditions)
        for name, facts in of_material.items()
        if short(facts.reference) in packed_in
    }
    digests = {case.label: case.facts.potential for case in study.cases}
    for board in boards:
        for measurement in board.measurements:
            rows = _rows(board, measurement, sticks)
            alike = alike or bool(rows)
            for label, own in cells.groupby("potential", sort=False):
                state = own.get(f"{measurement}_state")
                if state is None or not rows:
                    continue
                own = own[state.isin([OK, FAILED]) & own["material"].isin(rows)]
                if own.empty:
                    continue
                part = board.part([rows[name] for name in own["material"]])
                values = {
                    figure.name: numbers_in(own, figure.column)
                    for figure in board.figures
                    if figure.measurement == measurement and _finished(own, figure)
                }
                if RANKED_BY[measurement].name not in values:
                    continue  # nothing but failures
                itself = _itself(board, digests[str(label)], _catalogue_name(study, str(label)))
                found.append(Candidate(str(label), measurement, part, values, itself))
    if found:
        return found, ""
    if alike:
        return found, "nothing of this is computed yet, or all has failed"
    return found, _why_not(boards, of_material.values(), study.settings.conditions)


def candidate_of_comparison(
    material: Material,
    conditions: Conditions,
    potential: tuple[str, str, str],
    values: Mapping[str, float | bool | None],
    boards: Sequence[Board] | None = None,
) -> tuple[Candidate | None, str]:
    """One comparison of phonons beside the packaged ones, or why it is not, in a sentence.

    Parameters
    ----------
    material : Material
        With its reference.
    conditions : Conditions
        Under which it was made.
    potential : (str, str, str)
        Its label, its digest, and its name in the catalogue, empty where it is none of it.
    values : mapping
        Of the records.
    boards : sequence of Board, optional
        The packaged ones when not given.
    """
    boards = packaged() if boards is None else boards
    facts = Facts(material.structure_digest, material.reference_digest, tags=material.tags)
    sticks = {material.name: yardsticks(facts, conditions)}
    for board in boards:
        rows = _rows(board, HARMONIC, sticks) if HARMONIC in board.measurements else {}
        if rows:
            own = {
                figure.name: np.array([float(value)])
                for figure in board.figures
                if (value := values.get(figure.column)) is not None
            }
            part = board.part(list(rows.values()))
            itself = _itself(board, *potential[1:])
            return Candidate(potential[0], HARMONIC, part, own, itself), ""
    return None, _why_not(boards, [facts], conditions)


def _rows(board: Board, measurement: str, sticks: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    """Which row of a board each material is that may be compared; names of materials do not count."""
    row_of = {row.get(measurement, ""): at for at, row in enumerate(board.materials)}
    return {
        name: row_of[stick[measurement]]
        for name, stick in sticks.items()
        if stick.get(measurement, "") in row_of
    }


def _finished(cells: pd.DataFrame, figure: Figure) -> bool:
    """Whether a figure was asked for, and is not still to be computed of some cells."""
    if figure.column.endswith("_at_own") and PENDING in set(cells.get("lattice_state", ())):
        return False
    return figure.column in cells


def _catalogue_name(study: Study, label: str) -> str:
    settings = study.settings.potential(label)
    return "" if settings.weights is not None or settings.kwargs else settings.name


def _itself(board: Board, digest: str, name: str) -> str:
    entry = find_entry(name) if name else None
    for potential in board.potentials:
        if board.provenance["potentials"][potential] == digest or (
            entry is not None and entry.name == potential
        ):
            return potential
    return ""


def _why_not(boards: Sequence[Board], of_materials: Iterable[Facts], conditions: Conditions) -> str:
    """Why nothing can be compared: other crystals or data, or made in another way."""
    known = {row["reference"]: board for board in boards for row in board.materials}
    board = next((known[short(one.reference)] for one in of_materials if short(one.reference) in known), None)
    if board is None:
        return "none of these reference data is in the packaged leaderboard"
    packaged_by, own = board.provenance["protocol"]["name"], conditions.protocol.name
    return (
        f"the packaged leaderboard has these reference data, compared under protocol {packaged_by!r} by "
        f"{board.provenance['software']}; this is protocol {own!r}, or another version of the measurement"
    )
