"""Packaged tables: figures of potentials on the materials of one run, read without pandas."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError

PROVENANCE = "leaderboard.json"
#: In place of a group: all materials.
ALL = "all"
#: Measurements that a leaderboard is of, in the order of pages.
HARMONIC, SIGMA = "harmonic", "sigma"


@dataclass(frozen=True)
class Figure:
    """A figure of a potential on a material.

    Parameters
    ----------
    name : str
        In the packaged tables, with its unit.
    column : str
        In a study's table of cells.
    title, unit : str
        As shown.
    measurement : str
        Which measurement it is of: ``harmonic`` or ``sigma``.
    perfect : float
        Value of a potential that makes no error; how far a value is from it is the error.
    of_reference : str
        The reference's value in the table of materials, which is subtracted; empty where it is an error by
        itself.
    share : bool
        Whether it is true or false of a material, so that its mean is shown, and not its median.
    of_stable : bool
        Whether it is of materials alone that the reference finds harmonically stable, as thermodynamics.
    """

    name: str
    column: str
    title: str
    unit: str
    measurement: str = HARMONIC
    perfect: float = 0.0
    of_reference: str = ""
    share: bool = False
    of_stable: bool = False

    @property
    def label(self) -> str:
        """Title with unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def short(self) -> str:
        """Title as it stands in a sentence."""
        return self.title.partition(",")[0]

    def error(self, values: FloatArray) -> FloatArray:
        """How far values are from those of a perfect potential; infinite where there is none: it failed."""
        distance: FloatArray = np.abs(values - self.perfect)
        return np.where(np.isnan(distance), np.inf, distance)


_THERMODYNAMIC = (HARMONIC, 0.0, "", False, True)
FIGURES = tuple(
    Figure(*given)
    for given in (
        ("rmse_w2_THz2", "path_rmse_w2_THz2", "RMSE(ω²)", "THz²"),
        ("mae_w2_THz2", "path_mae_w2_THz2", "MAE(ω²)", "THz²"),
        ("rmse_slope_THz2A", "path_rmse_slope_THz2A", "RMSE(dω²/dq)", "THz²·Å"),
        ("softening", "path_softening", "slope of ω²", "", HARMONIC, 1.0),
        ("stability_agrees", "mesh_stability_agrees", "stable as DFT", "", HARMONIC, 1.0, "", True),
        ("lowest_difference_THz", "mesh_lowest_difference_THz", "softest mode, difference", "THz"),
        (
            "entropy_difference_J_per_molK",
            "mesh_entropy_difference_J_per_molK",
            "entropy, difference",
            "J/(mol K)",
            *_THERMODYNAMIC,
        ),
        (
            "free_energy_difference_kJ_per_mol",
            "mesh_free_energy_difference_kJ_per_mol",
            "free energy, difference",
            "kJ/mol",
            *_THERMODYNAMIC,
        ),
        (
            "heat_capacity_difference_J_per_molK",
            "mesh_heat_capacity_difference_J_per_molK",
            "heat capacity, difference",
            "J/(mol K)",
            *_THERMODYNAMIC,
        ),
        ("rmse_w2_own_THz2", "path_rmse_w2_THz2_at_own", "RMSE(ω²), own lattice", "THz²"),
        ("sigma", "sigma_phi_model_mean_t", "σ", "", SIGMA, 0.0, "sigma_reference"),
        ("sigma_force_error", "sigma_force_error", "force error in σ", "", SIGMA),
        ("sigma_hessian_error", "sigma_hessian_error", "Hessian error in σ", "", SIGMA),
        ("sigma_phi_ref", "sigma_phi_ref_mean_t", "σ, Φ of DFT", "", SIGMA, 0.0, "sigma_reference"),
        ("force_rmse_eV_per_A", "force_rmse_eV_per_A", "RMSE of forces", "eV/Å", SIGMA),
    )
)
BY_NAME = {figure.name: figure for figure in FIGURES}
#: The figure that ranks, of each measurement.
RANKED_BY = {HARMONIC: BY_NAME["rmse_w2_THz2"], SIGMA: BY_NAME["sigma"]}


@dataclass(frozen=True, eq=False)
class Board:
    """Figures of potentials on the materials of one run.

    Parameters
    ----------
    key : str
        Short name.
    provenance : mapping
        Where it comes from: ``title``, ``citation``, ``licence``, ``functional``, ``protocol``, ``records``,
        …; ``potentials``: their digests.
    materials : tuple of mapping
        A row each: ``material``, ``formula``, ``group``, ``prototype``, ``reference`` (digest of structure
        and reference data), ``harmonic`` and ``sigma`` (digest of all that determines these but the
        potential), …
    potentials : tuple of str
        Labels.
    values : mapping of str to (n_materials, n_potentials) array
        By name of figure; NaN where the potential failed.
    seen : (n_materials, n_potentials) array of str
        As :func:`softmode.potentials.leakage.phonons_seen` says.
    about : mapping of str to mapping
        What is known of each potential: ``training_data``, ``level_of_theory``, ``hessians``, ….
    """

    key: str
    provenance: Mapping[str, Any]
    materials: tuple[Mapping[str, str], ...]
    potentials: tuple[str, ...]
    values: Mapping[str, FloatArray]
    seen: NDArray[np.str_]
    about: Mapping[str, Mapping[str, Any]]

    @property
    def title(self) -> str:
        """What the materials are."""
        return str(self.provenance["title"])

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The figures it has, in order."""
        return tuple(figure for figure in FIGURES if figure.name in self.values)

    @cached_property
    def measurements(self) -> tuple[str, ...]:
        """Measurements it has figures of."""
        return tuple(name for name in (HARMONIC, SIGMA) if any(f.measurement == name for f in self.figures))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Groups of its materials, in the order in which they first come."""
        return tuple(dict.fromkeys(row["group"] for row in self.materials))

    @property
    def seen_counts(self) -> NDArray[np.intp]:
        """Of how many materials each potential has seen the phonons in training."""
        counts: NDArray[np.intp] = np.isin(self.seen, ("train", "val")).sum(axis=0)
        return counts

    def errors(self, figure: Figure) -> FloatArray:
        """Errors of a figure, (n_materials, n_potentials); infinite where the potential failed."""
        return figure.error(self.values[figure.name] - self.reference_values(figure)[:, None])

    def reference_values(self, figure: Figure) -> FloatArray:
        """The reference's value that a figure is compared with, (n_materials,); 0 where it is an error."""
        if not figure.of_reference:
            return np.zeros(len(self.materials))
        return np.array([_number(row[figure.of_reference]) for row in self.materials])

    def measured(self, figure: Figure) -> NDArray[np.bool_]:
        """Of which potentials a figure was asked: not of one that only ever gave the figure that ranks."""
        own = self.values[figure.name]
        ranking = self.values.get(RANKED_BY[figure.measurement].name, own)
        only_that = np.isnan(own).all(axis=0) & ~np.isnan(ranking).all(axis=0)
        return np.logical_not(np.asarray(only_that, dtype=np.bool_))

    def counts(self, figure: Figure) -> NDArray[np.bool_]:
        """On which of its materials a figure is counted."""
        return np.array([not figure.of_stable or row["stable_reference"] == "1" for row in self.materials])

    def counted(self, figure: Figure) -> Board:
        """The same for the materials on which a figure is counted."""
        return self.part(np.flatnonzero(self.counts(figure))) if figure.of_stable else self

    def part(self, rows: Sequence[int] | NDArray[np.intp]) -> Board:
        """The same for some of its materials."""
        at = np.asarray(rows, dtype=int)
        return replace(
            self,
            materials=tuple(self.materials[row] for row in at),
            values={name: values[at] for name, values in self.values.items()},
            seen=self.seen[at],
        )

    def in_group(self, group: str) -> Board:
        """The same for a group of materials, or a prototype."""
        asked = [group in (ALL, row["group"], row["prototype"]) for row in self.materials]
        return self.part(np.flatnonzero(asked))

    def unseen(self) -> Board:
        """The same for materials whose phonons no potential has seen, as far as all of that is known."""
        clean = np.isin(self.seen, ("no", "test")).all(axis=1)
        return self.part(np.flatnonzero(clean))


def packaged() -> tuple[Board, ...]:
    """The boards that come with softmode."""
    return read_boards(files("softmode") / "data" / "leaderboard")


def read_boards(folder: Traversable | Path) -> tuple[Board, ...]:
    """The boards of a folder, in the order of its provenance.

    Raises
    ------
    InputDataError
        If it holds none, or a table is not the one that the provenance names.
    """
    try:
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        about = provenance["potentials"]
        return tuple(_read(folder, key, said, about) for key, said in provenance["boards"].items())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputDataError(
            str(folder),
            f"holds no leaderboard ({type(error).__name__}: {error})",
            "Give a folder that `softmode leaderboard --make` wrote",
        ) from error


def _read(
    folder: Traversable | Path, key: str, provenance: Mapping[str, Any], about: Mapping[str, Any]
) -> Board:
    tables = []
    for name, digest in provenance["tables"].items():
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputDataError(
                str(folder / name), "is not the table that its provenance names", "Make the leaderboard anew"
            )
        tables.append(list(csv.DictReader(io.StringIO(content.decode("utf-8")))))
    materials, cells = tables
    row_of = {row["material"]: at for at, row in enumerate(materials)}
    potentials = tuple(provenance["potentials"])
    column_of = {name: at for at, name in enumerate(potentials)}
    shape = len(materials), len(potentials)
    names = [figure.name for figure in FIGURES if cells and figure.name in cells[0]]
    values = {name: np.full(shape, np.nan) for name in names}
    seen = np.full(shape, "unknown", dtype="<U7")
    for cell in cells:
        at = row_of[cell["material"]], column_of[cell["potential"]]
        seen[at] = cell["phonons_seen"]
        for name in names:
            values[name][at] = _number(cell[name])
    return Board(key, provenance, tuple(materials), potentials, values, seen, about)


def _number(text: str) -> float:
    return float(text) if text else np.nan


def csv_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as a CSV file; columns are those of all rows, in the order in which they first come."""
    listed, stream = list(rows), io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(chain(*listed))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return stream.getvalue()


def digest_of_keys(keys: Iterable[str]) -> str:
    """SHA-256 of the keys of records, sorted, a line each: ``sort -u | sha256sum`` of column ``key``."""
    return hashlib.sha256("".join(f"{key}\n" for key in sorted(set(keys))).encode()).hexdigest()
