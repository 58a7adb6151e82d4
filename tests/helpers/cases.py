"""A measurement's view of a case, without a study around it."""

from __future__ import annotations

from collections.abc import Mapping

from softmode.datasets import MaterialEntry
from softmode.measurements import View
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import facts_of, view_of
from softmode.measurements.registry import measurement
from softmode.measurements.view import Sources
from softmode.potentials.resolution import ResolvedPotential
from softmode.records import Partial, Record


def view_in(
    name: str,
    entry: MaterialEntry,
    potential: ResolvedPotential,
    conditions: Conditions | None = None,
    records: Mapping[str, Record] | None = None,
    partial: Partial | None = None,
) -> View:
    """What the measurement `name` sees of a material and a potential."""
    material, trajectory = entry.load(), entry.load_trajectory() if entry.has_trajectory else None
    facts = facts_of(material, potential, trajectory)
    load_trajectory = entry.load_trajectory if entry.has_trajectory else None
    sources = Sources(facts, entry.load, load_trajectory, potential.load, potential.info.name)
    chosen = conditions or Conditions.create()
    return view_of(measurement(name), sources, chosen, records or {}, partial=partial)
