"""The packaged tables, from the records of studies: figures only, with all that identifies their origin."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import pandas as pd

from softmode.datasets.catalog import dataset_kind
from softmode.errors import InputDataError, SettingsError
from softmode.files import write_atomically
from softmode.leaderboard.beside import short, yardsticks
from softmode.leaderboard.boards import FIGURES, HARMONIC, PROVENANCE, SIGMA, csv_of, digest_of_keys
from softmode.potentials.base import PotentialInfo
from softmode.potentials.leakage import phonons_seen
from softmode.potentials.registry import find_entry
from softmode.records import digest_of
from softmode.study.folder import Study, reopen_study
from softmode.study.results import PENDING, SEEN_COLUMN, cell_table, record_index

#: What is said of each run beside what its records hold, by the name of its folder.
SOURCES = "sources.toml"
#: Of the reference, a row for each material.
_OF_REFERENCE = {
    "stable_reference": "mesh_stable_reference",
    "lowest_reference_THz": "mesh_lowest_reference_THz",
    "sigma_reference": "sigma_reference_mean_t",
    "sigma_reference_low": "sigma_reference_mean_t_low",
    "sigma_reference_high": "sigma_reference_mean_t_high",
    "n_frames": "n_frames",
}


def make_leaderboard(runs: Sequence[Path], output: Path, sources: Path | None = None) -> list[str]:
    """Write the tables of runs, and where they come from.

    Potentials that some of a run's cells are not computed of are left out of its board.

    Parameters
    ----------
    runs : sequence of Path
        Folders of studies; the name of each becomes that of its board.
    output : Path
        Folder to write to.
    sources : Path, optional
        TOML file with a table for each run that needs one: ``title``, ``citation``, ``licence``, ``study``,
        ``note``, and ``materials_project``, the id of the crystal where names do not tell; the one that comes
        with softmode when not given. Without a table they are the dataset's.

    Returns
    -------
    list of str
        What was left out, a sentence each.

    Raises
    ------
    SettingsError, InputDataError
        If a folder holds no study, nothing in it is finished, or `sources` cannot be read.
    """
    described = _described(
        files("softmode") / "data" / "leaderboard" / SOURCES if sources is None else sources
    )
    boards: dict[str, Any] = {}
    known: dict[str, Any] = {}
    left_out: list[str] = []
    for run in runs:
        key = run.absolute().name
        study = reopen_study(run)
        boards[key], tables = _board(key, study, described.get(key, {}), left_out)
        known |= {label: _about(study, label) for label in boards[key]["potentials"]}
        for name, content in tables.items():
            write_atomically(output / name, content)
    text = json.dumps({"boards": boards, "potentials": known}, indent=1, ensure_ascii=False)
    write_atomically(output / PROVENANCE, f"{text}\n".encode())
    return left_out


def _described(sources: Traversable | Path) -> dict[str, dict[str, str]]:
    try:
        return tomllib.loads(sources.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(str(sources), f"cannot be read as TOML ({error})", "Correct the file") from error


def _board(
    key: str, study: Study, described: Mapping[str, str], left_out: list[str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    cells = cell_table(study)
    unfinished = cells.groupby("potential", sort=False)["state"].agg(lambda states: (states == PENDING).any())
    waiting = [str(name) for name in unfinished.index[unfinished]]
    if waiting:
        left_out.append(f"{key}: not finished, left out: {', '.join(waiting)}")
    cells = cells[~cells["potential"].isin(waiting)].copy()
    if cells.empty:
        raise InputDataError(str(study.folder), "no potential is finished", "Run the study to its end")
    if crystal := described.get("materials_project"):
        names = [study.settings.potential(label).name for label in cells["potential"]]
        cells[SEEN_COLUMN] = [phonons_seen(crystal, name) for name in names]
    tables = {f"{key}_materials.csv": _materials(study, cells), f"{key}.csv": _cells(cells)}
    index = record_index(study)
    index = index[~index["potential"].isin(waiting)]
    kind = dataset_kind(study.settings.dataset.kind)
    protocol = study.settings.conditions.protocol
    digests = {case.label: case.facts.potential for case in study.cases}
    provenance = {
        "title": kind.title,
        "citation": kind.citation,
        "licence": kind.licence,
        "functional": ", ".join(sorted(set(cells.get("level_of_theory_reference", pd.Series()).dropna()))),
        **described,
        "dataset": kind.name,
        "protocol": {"name": protocol.name, "digest": digest_of(protocol.model_dump(mode="json"))},
        "measurements": list(study.settings.measurements),
        "software": ", ".join(sorted(set(index["software"]))),
        "made": [str(index["created"].min())[:10], str(index["created"].max())[:10]],
        "n_materials": int(cells["material"].nunique()),
        "n_cells": len(cells),
        "records": {"n": int(index["key"].nunique()), "digest": digest_of_keys(index["key"])},
        "potentials": {str(label): digests[str(label)] for label in cells["potential"].unique()},
        "tables": {name: hashlib.sha256(content).hexdigest() for name, content in tables.items()},
    }
    return provenance, tables


def _about(study: Study, label: str) -> dict[str, Any]:
    """What the catalogue knows of a potential."""
    entry = find_entry(study.settings.potential(label).name) or PotentialInfo(label)
    return {
        "training_data": entry.training_data,
        "level_of_theory": entry.level_of_theory,
        "hessians": entry.hessians,
        "licence": entry.licence,
        "citation": entry.citation,
    }


def _materials(study: Study, cells: pd.DataFrame) -> bytes:
    """A row for each material: what it is, what results depend on besides the potential, the reference."""
    sticks = {
        case.material.name: (short(case.facts.reference), yardsticks(case.facts, study.settings.conditions))
        for case in study.cases
    }
    of_reference = {name: column for name, column in _OF_REFERENCE.items() if column in cells}
    rows = []
    for material, own in cells.groupby("material", sort=False):
        first, (reference, stick) = own.iloc[0], sticks[str(material)]
        row = {name: first[name] for name in ("material", "formula", "group", "prototype")}
        row |= {"reference": reference, HARMONIC: stick.get(HARMONIC, ""), SIGMA: stick.get(SIGMA, "")}
        known = {name: own[column].dropna() for name, column in of_reference.items()}
        rows.append(
            row | {name: _text(values.iloc[0]) if len(values) else "" for name, values in known.items()}
        )
    return csv_of(rows).encode()


def _cells(cells: pd.DataFrame) -> bytes:
    """A row for each cell: whether its phonons were seen in training, and figures; none where it failed."""
    figures = [figure for figure in FIGURES if figure.column in cells and cells[figure.column].notna().any()]
    rows = (
        {
            "material": row["material"],
            "potential": row["potential"],
            SEEN_COLUMN: row[SEEN_COLUMN],
            **{figure.name: _text(row[figure.column]) for figure in figures},
        }
        for row in cells.to_dict("records")
    )
    return csv_of(rows).encode()


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else f"{float(value):.6g}"
