"""Tables of a study, derived from its records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.datasets.plausibility import ACCEPTED
from softmode.measurements.functionals import functional_statement
from softmode.measurements.plan import possible
from softmode.memory import collecting_later
from softmode.potentials.leakage import UNKNOWN, phonons_seen
from softmode.records import LACKED_MEMORY, Header, Record
from softmode.statistics.bootstrap import bootstrap_medians, drawn_rows
from softmode.study.folder import Case, Study
from softmode.style import distinct

FloatArray = NDArray[np.float64]

#: Case states in tables.
OK, FAILED, PENDING = "ok", "failed", "pending"
_COUNTED = {"done": OK, "failed": FAILED, "pending": PENDING}

#: Whether the potential was trained on the crystal's phonons, see :mod:`softmode.potentials.leakage`.
SEEN_COLUMN = "phonons_seen"

_as_json = json.JSONEncoder().encode
_IDENTITY = ["material", "formula", "group", "prototype", "potential", "state"]


def _states(cell: Case, records: Mapping[str, Header]) -> dict[str, str]:
    """State of each measurement of a cell; one that requires a failed one has failed with it."""
    states: dict[str, str] = {}
    failed: set[str] = set()
    for name in possible(cell.inputs, failed):
        record = records.get(name)
        states[name] = PENDING if record is None else OK
        if record is not None and not record.ok:
            failed.add(name)
    return {name: FAILED if name in failed else states[name] for name in cell.inputs}


def _row(study: Study, cell: Case, records: Mapping[str, Header], counted: set[str]) -> dict[str, Any]:
    states = _states(cell, records)
    material = cell.material
    of_cell = set(states.values())
    row: dict[str, Any] = {
        "material": material.name,
        "formula": material.formula or material.name,
        "group": material.group or "unknown",
        "prototype": material.tags.get("prototype", ""),
        "potential": cell.label,
        "state": FAILED if FAILED in of_cell else PENDING if PENDING in of_cell else OK,
        SEEN_COLUMN: _seen(study, cell),
        **{f"{name}_state": states.get(name, "") for name in study.settings.measurements},
        **{key: value for key, value in material.tags.items() if key.startswith(("site_", ACCEPTED))},
    }
    failure = next((record.failure for record in records.values() if record.failure is not None), None)
    if failure is not None:
        row |= {"failure_kind": failure.kind, "failure": failure.message}
    row["calls"] = sum(_calls(record, counted) or 0 for record in records.values())
    return row | _scalars(record for record in records.values() if record.ok)


def _seen(study: Study, cell: Case) -> str:
    """What :func:`phonons_seen` says of a cell; of weights of a user's own nothing is known."""
    settings = study.settings.potential(cell.label)
    return UNKNOWN if settings.weights is not None else phonons_seen(cell.material.name, settings.name)


def _calls(record: Header, counted: set[str]) -> int | None:
    """Configurations evaluated for a record; 0 where it was met before, in a cell or under a name."""
    if record.key in counted:
        return 0
    counted.add(record.key)
    return record.calls


def _scalars(records: Iterable[Header]) -> dict[str, Any]:
    seconds = 0.0
    values: dict[str, Any] = {}
    seen: set[str] = set()
    for record in records:
        if record.key in seen:  # kept under one key by two measurements
            continue
        seen.add(record.key)
        seconds += record.seconds
        own = dict(zip(record.names, record.row, strict=True))
        own.update(values)  # the first that has a name counts, and stands where it stood
        values |= own
    nested = {name: _as_json(value) for name, value in values.items() if type(value) in (list, dict)}
    return {"seconds": seconds} | values | nested | {"seconds": seconds}


def done(table: pd.DataFrame, measurement: str) -> pd.DataFrame:
    """Rows in which a measurement has a result."""
    column = f"{measurement}_state"
    return table[table[column] == OK] if column in table else table.iloc[:0]


#: Columns that say so.
LOST_BY = ("md_collapsed", "model_only_left")


def crystal_lost(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Where a potential's own dynamics lost the crystal, or left its phase for another."""
    flags = [numbers_in(rows, name) == 1.0 for name in LOST_BY]
    return np.asarray(flags[0] | flags[1], dtype=bool)


def numbers_in(rows: pd.DataFrame, name: str) -> FloatArray:
    """A column as numbers, NaN where there is none."""
    if name not in rows:
        return np.full(len(rows), np.nan)
    return np.asarray(pd.to_numeric(rows[name], errors="coerce"), dtype=np.float64)


def read_headers(study: Study) -> tuple[dict[str, Header], ...]:
    """What records say but for inputs and arrays, of each cell by measurement."""
    with collecting_later():
        headers = tuple(map(study.headers, study.cases))
    study.store.flush()
    return headers


def cell_table(study: Study, headers: Sequence[Mapping[str, Header]] | None = None) -> pd.DataFrame:
    """One row per cell: identity, state, failure, every scalar with its unit in the column name.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    headers : sequence of mapping, optional
        From :func:`read_headers`, where they are read already.

    Returns
    -------
    pandas.DataFrame
        Columns ``material, formula, group, prototype, potential, state`` and those of the measurements;
        cells that failed or are not computed yet are rows too. ``calls``: configurations that the potential
        was evaluated on for the records of the cell, those of records that an earlier row has left out.
    """
    counted: set[str] = set()
    headers = read_headers(study) if headers is None else headers
    with collecting_later():
        table = pd.DataFrame(
            [_row(study, cell, own, counted) for cell, own in zip(study.cases, headers, strict=True)]
        )
    for column in ("failure_kind", "failure"):
        if column not in table:
            table[column] = None
    return table[[*_IDENTITY, *[name for name in table.columns if name not in _IDENTITY]]]


def record_index(study: Study, headers: Sequence[Mapping[str, Header]] | None = None) -> pd.DataFrame:
    """Which record each figure came from: material, potential, measurement, key, file, date, software, cost.

    Configurations evaluated (``calls``) stand with the first that has the record, and are 0 with others.
    Arguments as of :func:`cell_table`.
    """
    rows = []
    counted: set[str] = set()
    for case, own in zip(study.cases, read_headers(study) if headers is None else headers, strict=True):
        for name, record in own.items():
            key, cost = case.keys[name], (record.seconds, _calls(record, counted))
            whose = case.material.name, case.label, name, key, study.file(key)
            rows.append((*whose, record.created, record.software, *cost))
    columns = [
        "material",
        "potential",
        "measurement",
        "key",
        "file",
        "created",
        "software",
        "seconds",
        "calls",
    ]
    return pd.DataFrame(rows, columns=columns).astype({"calls": "Int64"})


def calls_made(index: pd.DataFrame) -> pd.DataFrame:
    """Configurations that each potential was evaluated on, by measurement and together.

    Parameters
    ----------
    index : pandas.DataFrame
        From :func:`record_index`.

    Returns
    -------
    pandas.DataFrame
        A row for each potential: ``potential``, a column for each measurement that evaluates it, and ``all``.
    """
    made = index[index["calls"].fillna(0) > 0]
    table = made.pivot_table(
        index="potential", columns="measurement", values="calls", aggfunc="sum", sort=False
    )
    table = table.fillna(0).astype(int)
    return table.assign(all=table.sum(axis=1)).reset_index()


def failed_phonons(rows: pd.DataFrame) -> tuple[int, int]:
    """How many cells failed to have phonons, and how many of these the potential is to blame for."""
    failed = rows["harmonic_state"] == FAILED
    blamed = failed & (rows["failure_kind"] != LACKED_MEMORY) if "failure_kind" in rows else failed
    return int(failed.sum()), int(blamed.sum())


#: Quantities of the ranking, and whether their median with failures as infinitely wrong is given.
_RANKED = (
    *(("rmse_w2_THz2", True), ("rmse_vg_THzA", True), ("softening", False), ("mae_w2_THz2", True)),
    *(("mae_vg_THzA", True), ("rmse_slope_THz2A", True), ("mae_slope_THz2A", True)),
)
_AS_PUBLISHED = (("rmse_vg_as_published_THzA", True), ("mae_vg_as_published_THzA", True))


def _medians(parts: Sequence[pd.DataFrame], n_wrong: int, seed: int) -> list[dict[str, float]]:
    """Medians of the quantities in tables of equally many materials, which share their bootstrap samples."""
    rng = np.random.default_rng(seed)
    found: list[dict[str, float]] = [{} for _ in parts]
    as_published = any(f"path_{name}" in part for part in parts for name, _ in _AS_PUBLISHED)
    for quantity, wrong in (*_RANKED, *(_AS_PUBLISHED if as_published else ())):
        values = np.column_stack([numbers_in(part, f"path_{quantity}") for part in parts])
        medians = bootstrap_medians(values, rng)
        for own, estimate in zip(found, medians, strict=True):
            own |= estimate.columns(f"median_{quantity}")
        if not wrong:
            continue
        every = np.vstack([values, np.full((n_wrong, len(parts)), np.inf)])
        if len(every) > 1:
            drawn_rows(len(every), rng)  # of an interval that is not given; the next quantity draws after it
        for own, column in zip(found, every.T, strict=True):
            own[f"median_{quantity}_failures_as_wrong"] = float(np.median(column)) if len(column) else np.nan
    return found


def _counts(name: str, group: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Numbers of materials, and on how many of them stability agrees."""
    good = done(rows, "harmonic")
    n_failed, n_wrong = failed_phonons(rows)
    n_all = len(good) + n_wrong
    agree = int(good["path_stability_agrees"].astype(bool).sum()) if len(good) else 0
    return {
        "potential": name,
        "group": group,
        "n": len(good),
        "failed": n_failed,
        "stability_agreement": agree / len(good) if len(good) else np.nan,
        "stability_agreement_failures_as_wrong": agree / n_all if n_all else np.nan,
    }


def functional_statements(table: pd.DataFrame) -> list[str]:
    """What is to be said of functionals beside scores: a sentence, and the potentials it is true of.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`cell_table`.
    """
    if "functionals_differ" not in table:
        return []
    columns = ["potential", "functionals_differ", "level_of_theory_reference", "level_of_theory_potential"]
    found: dict[str, list[str]] = {}
    for row in table[columns].dropna(subset=columns[2:]).drop_duplicates().itertuples(index=False):
        differ = None if pd.isna(row.functionals_differ) else bool(row.functionals_differ)
        said = functional_statement(differ, row.level_of_theory_reference, row.level_of_theory_potential)
        if said and row.potential not in found.setdefault(said, []):
            found[said].append(row.potential)
    return [f"{', '.join(potentials)}: {said}" for said, potentials in found.items()]


def ranking(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Potentials in order of their median RMSE(ω²), failures counted as wrong, overall and by group.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`cell_table`.
    seed : int
        Seed of the bootstrap over materials.

    Returns
    -------
    pandas.DataFrame
        One row per potential and group (``all`` first), with medians, 95 % intervals and failure counts.
    """
    if "harmonic_state" not in table:
        return pd.DataFrame(columns=["potential", "group", "n", "failed"])
    parts: list[tuple[str, str, pd.DataFrame]] = []
    for potential, cells in table.groupby("potential", sort=False):
        parts.append((str(potential), "all", cells))
        if cells["group"].nunique() > 1:
            by_group = cells.groupby("group", sort=False)
            parts += [(str(potential), str(group), part) for group, part in by_group]
    of_size: dict[tuple[int, int], list[int]] = {}
    for at, (_, _, cells) in enumerate(parts):
        size = len(done(cells, "harmonic")), failed_phonons(cells)[1]
        of_size.setdefault(size, []).append(at)
    rows: list[dict[str, Any]] = [{} for _ in parts]
    for (_, n_wrong), places in of_size.items():
        good = [done(parts[at][2], "harmonic") for at in places]
        for at, medians in zip(places, _medians(good, n_wrong, seed), strict=True):
            counts = _counts(*parts[at])
            agreements = {key: counts.pop(key) for key in list(counts) if key.startswith("stability")}
            rows[at] = counts | medians | agreements
    summary = pd.DataFrame(rows)
    overall = summary[summary["group"] == "all"].sort_values("median_rmse_w2_THz2_failures_as_wrong")
    order = {name: index for index, name in enumerate(overall["potential"])}
    return summary.sort_values("potential", key=lambda column: column.map(order), kind="stable").reset_index(
        drop=True
    )


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """Cells that failed, with their reasons."""
    columns = ["material", "formula", "group", "potential", "failure_kind", "failure"]
    return table.loc[table["state"] == FAILED, columns].reset_index(drop=True)


def extremes(table: pd.DataFrame, potential: str) -> dict[str, str]:
    """Best, median and worst material of a potential by RMSE(ω²) on the path; fewer where there are fewer."""
    good = done(table[table["potential"] == potential], "harmonic")
    return best_median_worst(good, "path_rmse_w2_THz2")


def counted(table: pd.DataFrame) -> dict[str, int]:
    """How many cells are done, failed and not computed yet."""
    counts = table["state"].value_counts()
    return {name: int(counts.get(state, 0)) for name, state in _COUNTED.items()}


def records_of(study: Study, measurement: str, materials: Iterable[str]) -> dict[str, dict[str, Record]]:
    """Records of a measurement by material and potential; a material without any is left out.

    Parameters
    ----------
    study : Study
        Where they are.
    measurement : str
        Which.
    materials : iterable of str
        In the order of the result.
    """
    labels = distinct(case.label for case in study.cases)
    found = {
        material: {
            label: record
            for label in labels
            if (record := study.result(material, label, measurement)) is not None
        }
        for material in distinct(materials)
    }
    return {material: records for material, records in found.items() if records}


def best_median_worst(table: pd.DataFrame, column: str) -> dict[str, str]:
    """Materials with the smallest, median and largest value of `column`; fewer where there are fewer.

    Returns
    -------
    dict of str to str
        Role (``best``, ``median``, ``worst``; empty when there is only one) to material.
    """
    if table.empty:
        return {}
    ordered = table.sort_values(column)["material"].tolist()
    if len(ordered) == 1:
        return {"": ordered[0]}
    if len(ordered) == 2:
        return {"best": ordered[0], "worst": ordered[1]}
    return {"best": ordered[0], "median": ordered[(len(ordered) - 1) // 2], "worst": ordered[-1]}
