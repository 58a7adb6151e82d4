"""Forces of the potential on symmetry-reduced displaced supercells: what its force constants are made from.

Made under several names, which differ in the displacement and in whether the crystal is relaxed first; where
these are equal they share one record. Where only the displacement differs, the crystal at rest is evaluated
for the first of them alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.crystal import Material
from softmode.crystal.arrays import FloatArray
from softmode.errors import RelaxationError, SoftmodeError
from softmode.harmonic.relaxation import VOLUME_RATIO
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts, Given, Measurement, Result
from softmode.measurements.shared import plan
from softmode.measurements.view import View, derived
from softmode.potentials.base import Potential, evaluation_failure

#: By how much the volume may change when a structure that was built from ionic radii is relaxed.
_GUESS_VOLUME_RATIO = 2.0
#: Evaluations of the unit cell that a relaxation takes: the median of 454 in the phonon database.
_RELAXATION = 14
#: Raised when relaxation changes; part of the key where the crystal is relaxed.
_RELAXATION_VERSION = 3
#: Given where the crystal at rest is evaluated with another displacement already.
_WITHOUT_REST = "without_rest"
#: Given where forces are those of the analytic force constants, ``-Phi u``, which no displacement decides.
_ANALYTIC = "force_constants"
_ANALYTIC_DISPLACEMENT = 0.01


def displaced_forces(view: View) -> Result:
    """Forces of the potential on symmetry-reduced displaced supercells, and on the one at rest."""
    material, potential = view.structure, view.potential
    potential.check_elements([material.unitcell.to_atoms()])
    relaxed = None
    if (fmax := view.given("relax_fmax")) is None:
        displaced = plan(view, view.given("displacement"))
    else:
        relaxed = relaxed_crystal(view, fmax)
        material = hm.with_cell(material, relaxed.cell)
        displaced = hm.plan_displacements(hm.build_phonopy(material), view.given("displacement"))
    at_rest = [] if _WITHOUT_REST in view.inputs() else [displaced.perfect]
    if _ANALYTIC in view.inputs():
        evaluation = potential.evaluate(at_rest)
        forces = np.array([*evaluation.forces, *_linear_forces(potential, displaced)])
    else:
        evaluation = potential.evaluate([*at_rest, *displaced.supercells()])
        forces = evaluation.stacked_forces()
    values: dict[str, Any] = {
        "n_supercells": len(displaced.displacements),
        "n_supercell_atoms": len(displaced.perfect),
        "lattice_ratio": _lattice_ratio(view.structure, material),
    }
    if relaxed is not None:
        values |= {
            "relaxed_to_eV_per_A": relaxed.largest_force,
            "relaxation_noise_eV_per_A": relaxed.noise,
            "relaxation_note": "" if relaxed.noise is None else _at_noise(relaxed.largest_force, fmax),
        }
    arrays = {
        "displacements": displaced.displacements,
        "forces": forces[len(at_rest) :],
        "energies": evaluation.energies,
        "unitcell_lattice": np.array(material.unitcell.lattice),
        "unitcell_scaled_positions": np.array(material.unitcell.scaled_positions),
    }
    if at_rest:
        values["residual_force_eV_per_A"] = float(np.linalg.norm(forces[0], axis=1).max())
        values["energy_per_atom_eV"] = float(evaluation.energies[0] / len(displaced.perfect))
        arrays["perfect_forces"] = forces[0]
    return Result(values=values, arrays=arrays)


def _at_noise(reached: float, fmax: float) -> str:
    return f"relaxed to {reached:.1g} eV/Å, not {fmax:.0e}: what is left is noise of the forces"


def _linear_forces(potential: Potential, displaced: hm.DisplacementPlan) -> FloatArray:
    """Forces on displaced supercells to first order, from analytic second derivatives."""
    return -potential.hessian_products(displaced.perfect, displaced.displacements)


@derived("structure", "potential", "tags.structure_source")
def relaxed_crystal(view: View, fmax: float) -> hm.Relaxed:
    """The crystal relaxed by the potential to so small forces, eV/Å, symmetry kept."""
    material, name = view.structure, view.potential_name
    guessed = view.tag("structure_source") not in ("", "file")
    try:
        return hm.relax_cell(
            material.unitcell,
            view.potential.calculator(),
            fmax=fmax,
            largest_volume_ratio=_GUESS_VOLUME_RATIO if guessed else VOLUME_RATIO,
        )
    except RelaxationError as error:
        subject = f"{material.name} with {name}"
        raise RelaxationError(subject, f"the relaxation {error.problem}", error.remedy) from error
    except SoftmodeError:
        raise
    except Exception as error:
        raise evaluation_failure(name, error, f"the relaxation of {material.name}") from error


def _lattice_ratio(reference: Material, model: Material) -> float:
    """Model over reference lattice constant, by volume."""
    volumes = [abs(np.linalg.det(item.unitcell.lattice)) for item in (reference, model)]
    return float((volumes[1] / volumes[0]) ** (1.0 / 3.0))


def _calls(view: View) -> int:
    """The displaced supercells, the one at rest, and a relaxation, which is of fewer atoms."""
    displaced = plan(view, view.given("displacement"))
    calls = len(displaced.displacements) + (_WITHOUT_REST not in view.inputs())
    if view.given("relax_fmax") is not None:
        calls += math.ceil(_RELAXATION * len(view.structure.unitcell.numbers) / len(displaced.perfect))
    return calls


def _measurement(name: str, displacement: str, relaxed: Callable[[Conditions, Facts], bool]) -> Measurement:
    """Displaced forces with a displacement of the protocol, relaxed first or not."""

    def fmax(conditions: Conditions, facts: Facts) -> float | None:
        return conditions.protocol.relax_fmax if relaxed(conditions, facts) else None

    def uses(conditions: Conditions, facts: Facts) -> tuple[str | Given, ...]:
        protocol = conditions.protocol
        of_relaxation: tuple[str | Given, ...] = ()
        if relaxed(conditions, facts):
            version = Given("relaxation_version", lambda conditions, facts: _RELAXATION_VERSION)
            of_relaxation = ("tags.structure_source", version)
        analytic = protocol.force_constants == "analytic"
        length = _ANALYTIC_DISPLACEMENT if analytic else conditions.value(f"protocol.{displacement}")
        other = not analytic and length != protocol.dispersion_displacement
        same_crystal = relaxed(conditions, facts) == protocol.relax
        return (
            "structure",
            "potential",
            *of_relaxation,
            Given("displacement", lambda conditions, facts: length),
            Given("relax_fmax", fmax),
            *((Given(_WITHOUT_REST, lambda conditions, facts: True),) if other and same_crystal else ()),
            *((Given(_ANALYTIC, lambda conditions, facts: "analytic"),) if analytic else ()),
        )

    return Measurement(
        name, version=1, function=displaced_forces, uses=uses, calls=_calls, record_as="displaced_forces"
    )


MEASUREMENTS = (
    _measurement(
        "displaced_forces",
        "dispersion_displacement",
        lambda conditions, facts: conditions.protocol.relax,
    ),
    # never relaxed: its force constants multiply displacements from the reference's own supercell
    _measurement("displaced_forces_for_sigma", "sigma_displacement", lambda conditions, facts: False),
    # on the reference's own supercell where there is a reference trajectory to compare with
    _measurement(
        "displaced_forces_for_dynamics",
        "sigma_displacement",
        lambda conditions, facts: conditions.protocol.relax and not facts.trajectory,
    ),
    # both, whatever the protocol says
    _measurement("displaced_forces_unrelaxed", "dispersion_displacement", lambda conditions, facts: False),
    _measurement("displaced_forces_relaxed", "dispersion_displacement", lambda conditions, facts: True),
)
