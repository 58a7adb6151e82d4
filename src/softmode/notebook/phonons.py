"""Phonons of a potential beside those of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pandas as pd
from ase import Atoms
from matplotlib.figure import Figure

from softmode import harmonic as hm
from softmode.crystal import Material
from softmode.crystal.arrays import FloatArray
from softmode.errors import SettingsError
from softmode.harmonic.protocol import HarmonicProtocol, Structure, named_protocol
from softmode.measurements.field_metrics import SIDED_FIGURES
from softmode.measurements.functionals import functional_statement
from softmode.measurements.harmonic import FIGURES, named_values
from softmode.measurements.measure import measure
from softmode.measurements.shared import mesh, path, reference_crystal
from softmode.notebook.inputs import Crystal, conditions_of, load, potential
from softmode.notebook.results import Measured, displayed, view_of
from softmode.report.bands import band_figure, overlay_of_record
from softmode.style import PALETTE


@dataclass(frozen=True)
class PhononFigures:
    """How far the phonons of a potential are from the reference's, on the band path or on the mesh.

    What each figure is stands in :class:`softmode.harmonic.HarmonicComparison` and ``docs/harmonic.md``.
    """

    rmse_w2_THz2: float
    mae_w2_THz2: float
    rmse_vg_THzA: float
    mae_vg_THzA: float
    rmse_slope_THz2A: float
    mae_slope_THz2A: float
    rmse_frequency_THz: float
    mae_frequency_THz: float
    lowest_reference_THz: float
    lowest_model_THz: float
    largest_reference_THz: float
    largest_model_THz: float
    mean_frequency_reference_THz: float
    mean_frequency_model_THz: float
    softening: float
    rmse_w2_rest_THz2: float
    imaginary_share_reference: float
    imaginary_share_model: float
    stability_agrees: bool

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> PhononFigures:
        """From the values of a record ``harmonic``; `where` is ``path`` or ``mesh``."""
        return cls(**{field.name: values[f"{where}_{field.name}"] for field in fields(cls)})


@dataclass(frozen=True, eq=False, repr=False)
class PhononComparison(Measured):
    """Phonons of a potential beside those of the reference."""

    @property
    def path(self) -> PhononFigures:
        """Figures on the band path."""
        return PhononFigures.of(self.records["harmonic"].values, "path")

    @property
    def mesh(self) -> PhononFigures:
        """Figures on the mesh, which do not depend on a choice of path."""
        return PhononFigures.of(self.records["harmonic"].values, "mesh")

    @property
    def lattice(self) -> Mapping[str, Any]:
        """Values of the record ``lattice``, where both structures were asked for."""
        if "lattice" not in self.records:
            raise SettingsError(
                "the comparison at both lattices", "was not asked for", 'Compare with structure="both"'
            )
        return self.records["lattice"].values

    @property
    def functionals(self) -> str:
        """What is to be said of the functionals of both sides; empty where they are the same."""
        values = self.records["harmonic"].values
        return functional_statement(
            values["functionals_differ"],
            values["level_of_theory_reference"],
            values["level_of_theory_potential"],
        )

    @property
    def frequencies_reference_THz(self) -> FloatArray:
        """On the band path, (n_q, n_bands); imaginary ones negative."""
        return self.records["harmonic"].arrays["frequencies_reference"]

    @property
    def frequencies_model_THz(self) -> FloatArray:
        """As those of the reference."""
        return self.records["harmonic"].arrays["frequencies_model"]

    @property
    def table(self) -> pd.DataFrame:
        """Figures on path and mesh."""
        return pd.DataFrame({"path": asdict(self.path), "mesh": asdict(self.mesh)}).rename(index=FIGURES)

    @property
    def thermodynamics(self) -> pd.DataFrame:
        """Of both sides on the mesh, at 300 K and per formula unit, imaginary modes left out.

        None where a side is mostly imaginary; ``records["harmonic"].values["mesh_thermodynamics_note"]``.
        """
        values = self.records["harmonic"].values
        return pd.DataFrame(
            {
                side: [values.get(f"mesh_{name.format(of)}") for name in SIDED_FIGURES]
                for side, of in (("reference", "reference"), ("potential", "model"))
            },
            index=list(SIDED_FIGURES.values()),
            dtype=float,
        )

    def __repr__(self) -> str:
        """Who, and the errors on the path."""
        own = self.path
        return (
            f"<PhononComparison {self.material.formula} × {self.potential}: RMSE(ω²) {own.rmse_w2_THz2:.3g} "
            f"and MAE(ω²) {own.mae_w2_THz2:.3g} THz², RMSE(dω²/dq) {own.rmse_slope_THz2A:.3g} THz²·Å, "
            f"slope of ω² {own.softening:.3f} on the band path>"
        )

    def plot(self) -> Figure:
        """Band structures over each other."""
        overlay = overlay_of_record(
            self.records["harmonic"],
            self.material.name,
            self.material.formula,
            self.potential,
            noise=self.records.get("noise_floor"),
        )
        return displayed(band_figure([overlay], PALETTE[1]))


def compare_phonons(
    crystal: Crystal | Material | Atoms | str,
    model: Any,
    protocol: str | HarmonicProtocol = "default",
    *,
    structure: Structure | None = None,
    noise: bool = False,
) -> PhononComparison:
    """Compare the phonons of a potential with those of the reference.

    Parameters
    ----------
    crystal, model
        From :func:`load` and :func:`potential`, or what these take.
    protocol : str or HarmonicProtocol
        ``default``, ``yang2026``, or one of your own.
    structure : {"reference", "relaxed", "both"}, optional
        Compare in the reference's structure, in the potential's own (relaxed, symmetry kept), or in the first
        and, for ``lattice``, in both. That of the protocol when not given.
    noise : bool
        Measure the smallest frequency one may believe of the potential, by two or three times as many force
        calls again (measurement ``noise_floor``); what force constants tell of themselves is known without.

    Raises
    ------
    SettingsError
        If the crystal has no reference force constants, or there is no such protocol.
    SoftmodeError
        If the potential fails.
    """
    material, own = load(crystal).material, potential(model)
    conditions = conditions_of("compare_phonons", {"protocol": chosen_protocol(protocol, structure)})
    both = conditions.protocol.structure == "both"
    names = ("harmonic", *(("lattice",) if both else ()), *(("noise_floor",) if noise else ()))
    records = measure(names, material, own.potential, conditions)
    return PhononComparison(material, own.name, conditions, records)


def compare_references(
    one: Crystal | Material | Atoms | str,
    other: Crystal | Material | Atoms | str,
    protocol: str | HarmonicProtocol = "default",
) -> dict[str, PhononFigures]:
    """What two references of the same crystal differ by, as by their functionals: a floor under errors.

    Their cells and supercells may differ, and their lattices by some per cent: they are compared at the same
    fractional q.

    Parameters
    ----------
    one, other
        From :func:`load`, or what it takes; figures called ``model`` are those of `other`.
    protocol : str or HarmonicProtocol
        ``default``, ``yang2026``, or one of your own.

    Returns
    -------
    dict of str to PhononFigures
        ``path`` (that of `one`) and ``mesh``.

    Raises
    ------
    SettingsError
        If one of them has no reference force constants.
    InputDataError
        If they are not the same crystal.
    """
    materials = [load(crystal).material for crystal in (one, other)]
    for material in materials:
        if material.reference is None:
            raise SettingsError(
                material.name, "has no reference force constants", "Give a reference that has"
            )
    conditions = conditions_of("compare_references", {"protocol": chosen_protocol(protocol, None)})
    views = [view_of(material, conditions) for material in materials]
    own, another = map(reference_crystal, views)
    match = hm.correspondence(own.phonon, another.phonon, " and ".join(one.name for one in materials))
    places: dict[str, hm.BandPath | hm.QMesh] = {"path": path(views[0]), "mesh": mesh(views[0])}
    found = {}
    for where, points in places.items():
        there = another.at(replace(points, points=match.qpoints(points.points)))
        compared = hm.compare(
            own.at(points),
            match.seen_from_one(there, points.points),
            weights=points.weights if isinstance(points, hm.QMesh) else None,
            imaginary_tolerance=conditions.protocol.imaginary_tolerance,
        )
        found[where] = PhononFigures.of(named_values(compared, where), where)
    return found


def chosen_protocol(protocol: str | HarmonicProtocol, structure: Structure | None) -> HarmonicProtocol:
    """A protocol by its name, or as it is; with another structure where that is asked for."""
    if isinstance(protocol, str):
        return named_protocol(protocol, **({} if structure is None else {"structure": structure}))
    if structure in (None, protocol.structure):
        return protocol
    return protocol.model_copy(update={"structure": structure, "name": f"{protocol.name.removesuffix('+')}+"})
