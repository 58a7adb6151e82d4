"""What the page of one material shows, in the shape of ``web/src/contract.ts``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from softmode.charts import Packed
from softmode.measurements.registry import measurements
from softmode.measurements.results import MaterialResults
from softmode.panel import Panel
from softmode.report.document import PagePanel

logger = logging.getLogger(__name__)

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Structure:
    """A cell to look at: rows of `lattice` are its vectors, Å; `positions` are fractional."""

    lattice: tuple[Vector, ...]
    symbols: tuple[str, ...]
    positions: tuple[Vector, ...]


@dataclass(frozen=True)
class Tick:
    """A high-symmetry point of a band path, at a distance from its beginning, Å⁻¹."""

    at: float
    label: str


@dataclass(frozen=True)
class PotentialBands:
    """Frequencies of a potential, THz, (bands, q points), and below which they are noise."""

    potential: str
    frequencies: Packed
    noise: float | None


@dataclass(frozen=True)
class Bands:
    """Frequencies along the band path, THz, imaginary ones negative.

    Parameters
    ----------
    x : tuple of float
        Distance from the beginning of the path, Å⁻¹.
    ticks : tuple of Tick
        High-symmetry points.
    breaks : tuple of int
        First q point of each segment that does not begin where the one before ends.
    reference : Packed or None
        (bands, q points); None where there are only potentials.
    reference_noise : float or None
        Below which frequencies of the reference are noise, THz.
    potentials : tuple of PotentialBands
        In the order of the study.
    """

    x: Vector
    ticks: tuple[Tick, ...]
    breaks: tuple[int, ...]
    reference: Packed | None
    reference_noise: float | None
    potentials: tuple[PotentialBands, ...]


@dataclass(frozen=True)
class DosCurve:
    """A density of states, modes per THz and primitive cell, (1, frequencies); None: of the reference."""

    potential: str | None
    first: float
    step: float
    values: Packed


@dataclass(frozen=True)
class Dos:
    """Densities of states."""

    curves: tuple[DosCurve, ...]


@dataclass(frozen=True)
class Mode:
    """A mode to be animated: ``u(atom, cell) = Re[e exp(2πi q·(R + r) - iωt)]``.

    Parameters
    ----------
    potential : str or None
        Whose; None: the reference's.
    role : str
        Why it is shown.
    q, q_label : tuple of float, str
        Fractional, of the primitive cell; its name or that of the segment.
    frequency_model, frequency_reference : float or None
        THz, imaginary ones negative.
    structure : Structure
        Primitive cell.
    displacements : tuple
        Of each atom x, y, z, real and then imaginary parts; not mass-weighted, the largest 1.
    note : str
        What else is to be said of it: how like the other side's modes it is.
    """

    potential: str | None
    role: str
    q: tuple[float, float, float]
    q_label: str
    frequency_model: float | None
    frequency_reference: float | None
    structure: Structure
    displacements: tuple[Vector, ...]
    note: str


@dataclass(frozen=True)
class DetailRecord:
    """A record of the material."""

    potential: str
    measurement: str
    digest: str
    file: str


@dataclass(frozen=True)
class Detail:
    """All that the page of one material shows beside what the page of the run says of it."""

    material: str
    structure: Structure | None
    bands: Bands | None
    dos: Dos | None
    modes: tuple[Mode, ...]
    panels: tuple[PagePanel, ...]
    commands: tuple[str, ...]
    records: tuple[DetailRecord, ...]


def material_panels(results: MaterialResults, asked: tuple[str, ...]) -> tuple[Panel, ...]:
    """Panels that measurements make of one material, in the order of the study.

    Parameters
    ----------
    results : MaterialResults
        Of the material.
    asked : tuple of str
        Measurements of the study, with those they require.
    """
    found: list[Panel] = []
    for name in asked:
        one = measurements()[name]
        if one.details is None:
            continue
        try:
            found += [replace(panel, chapter=panel.chapter or one.chapter) for panel in one.details(results)]
        except Exception as error:  # a panel that fails must not take the page with it
            logger.warning("the panels of %s of %s fail", name, results.material, exc_info=True)
            said = f"It cannot be shown ({type(error).__name__}: {error}); its record holds the numbers."
            found.append(Panel(f"{name}_of_material", one.title, "", missing=(said,), chapter=one.chapter))
    return tuple(found)
