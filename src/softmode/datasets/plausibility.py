"""Whether reference data can be what they say they are: figures, limits, and what is accepted all the same.

A wrong unit, sign or order of atoms gives numbers that every parser takes. What is looked at, and how far
real data are from each limit, stands in ``docs/datasets.md``; ``benchmarks/plausibility.py`` measures it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from softmode.crystal import Material, Trajectory
from softmode.datasets.plausibility_figures import material_figures, trajectory_figures
from softmode.errors import InputDataError, SettingsError, did_you_mean

#: Tags of materials whose data are not plausible but accepted: names of the checks, and their figures.
ACCEPTED, ACCEPTED_FIGURES = "accepted", "accepted_figures"
_BELONG = "check units, signs and order of atoms, and that structure, supercell and forces belong together"


@dataclass(frozen=True)
class Check:
    """A figure of reference data and where it is not plausible any more.

    Parameters
    ----------
    what : str
        What is said of the figure; ``{}`` stands for it.
    low, high : float
        Limits.
    unit : str
        Of figure and limits; ``%`` of a share.
    remedy : str
        What to look at.
    """

    what: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = "%"
    remedy: str = _BELONG

    def said(self, figure: float) -> str:
        """Figure and limit in words; empty where it is plausible."""
        if self.low <= figure <= self.high:
            return ""
        limit, most = (self.low, "at least") if not figure > self.high else (self.high, "at most")
        return f"{self.what.format(self.shown(figure))} ({most} {self.shown(limit)})"

    def shown(self, figure: float) -> str:
        """The figure with its unit."""
        if self.unit == "%":
            return f"{100.0 * figure:.3g} %"
        return f"{figure:.3g}{' ' if self.unit else ''}{self.unit}"


#: By the name under which each can be accepted.
CHECKS: Mapping[str, Check] = {
    "shortest_bond": Check(
        "the shortest bond is {} the sum of the radii of its atoms",
        0.6,
        1.5,
        "times",
        "check the unit of the lattice (Å) and the elements",
    ),
    "mass": Check(
        "a mass is {} that of its element", 0.85, 1.15, "times", "check elements and masses, and their order"
    ),
    "displacement": Check(
        "an atom is displaced by {}", 1e-4, 0.08, "Å", "check the unit of the displacements (Å)"
    ),
    "net_force": Check("the forces on a displaced supercell add up to {} of the largest force", high=0.05),
    "site_symmetry": Check("forces break the symmetry of a site by {}", high=0.05),
    "residual": Check("force constants with the symmetry of a site leave {} of the largest force", high=0.1),
    "sum_rule": Check(
        "the force on an atom when all others move alike is {} of the force when it moves itself", high=0.1
    ),
    "stiffness": Check(
        "the curvature in which the stiffest atom sits is {} e²/4πε₀d³, d the shortest bond", 1.2, 70.0, ""
    ),
    "born": Check(
        "symmetry and neutrality change Born charges or the dielectric tensor by {} of the largest entry",
        high=0.1,
        remedy="check BORN, the order of its atoms, and its primitive cell",
    ),
    "dielectric": Check("a dielectric constant is {}", 1.0, 100.0, "", "check BORN"),
    "copies": Check(
        "{} of the frames are copies of others", high=0.1, remedy="leave copies out, or give the whole run"
    ),
    "repeated_forces": Check(
        "{} of the forces are those of the frame or atom before, or have three equal components",
        high=1e-4,
        remedy="check that the forces of each frame were written, and no fill value",
    ),
    "jump": Check(
        "an atom is displaced by {} what 99 % of its element are",
        high=3.0,
        unit="times",
        remedy="check that frames are not damaged, and that atoms vibrate about their sites",
    ),
    "largest_force": Check("a force is {} what 99 % of its element feel", high=30.0, unit="times"),
    "force_slope": Check("the slope of the forces on their harmonic part is {}", 0.1, 10.0, ""),
    "out_of_step": Check(
        "what accelerations do not explain of the forces is {} what those of the next frame do not",
        high=4.0,
        unit="times",
        remedy="check that forces and positions are of the same frame",
    ),
    "force_correlation": Check("forces and their harmonic part correlate by {}", low=0.1),
    "label_median": Check(
        "the median of the scores σ is {}",
        0.05,
        5.0,
        "",
        "check which column is read, and whether it is in per cent",
    ),
    "softest": Check("the softest atom sits in {} of the curvature of the stiffest", low=-0.05),
}


@dataclass(frozen=True)
class Doubt:
    """A figure beyond its limit.

    Parameters
    ----------
    check : str
        Name of the check.
    said : str
        Figure and limit in words.
    """

    check: str
    said: str


def known_checks(names: Iterable[str], subject: str) -> tuple[str, ...]:
    """Names of checks, sorted.

    Raises
    ------
    SettingsError
        If there is no such check.
    """
    for name in names:
        if name not in CHECKS:
            raise SettingsError(
                subject, f"there is no check {name!r} to accept", did_you_mean(name, list(CHECKS))
            )
    return tuple(sorted(set(names)))


def doubts(figures: Iterable[tuple[str, float]]) -> tuple[Doubt, ...]:
    """Those figures that are not plausible."""
    found = ((name, CHECKS[name].said(figure)) for name, figure in figures)
    return tuple(Doubt(name, said) for name, said in found if said)


def refuse_unless_accepted(
    found: Sequence[Doubt], accept: Sequence[str], subject: str, table: str = "dataset"
) -> tuple[Doubt, ...]:
    """Doubts that are accepted; others are an error. `table` is that of study files where it can be said.

    Raises
    ------
    InputDataError
        With figure, limit, and how to accept it.
    """
    refused = [doubt for doubt in found if doubt.check not in accept]
    if not refused:
        return tuple(found)
    names = list(dict.fromkeys(doubt.check for doubt in refused))
    quoted = ", ".join(f'"{name}"' for name in names)
    raise InputDataError(
        subject,
        f"this is not plausible: {'; '.join(doubt.said for doubt in refused)}",
        f"{CHECKS[names[0]].remedy[0].upper()}{CHECKS[names[0]].remedy[1:]}; or accept it as it is: "
        f"--accept {' --accept '.join(names)}, in a study accept = [{quoted}] in [{table}]",
    )


def plausible(material: Material, accept: Sequence[str], subject: str) -> Material:
    """The material; where its data are not plausible but accepted, its tag ``accepted`` names the checks.

    Parameters
    ----------
    material : Material
        What was read.
    accept : sequence of str
        Checks whose verdict does not count.
    subject : str
        File or material named in errors.

    Raises
    ------
    InputDataError
        With figure, limit, and how to accept it.
    """
    accepted = refuse_unless_accepted(doubts(material_figures(material)), accept, subject)
    return replace(material, tags={**material.tags, **accepted_tags(accepted)}) if accepted else material


def plausible_trajectory(
    trajectory: Trajectory, material: Material | None, accept: Sequence[str], subject: str
) -> Trajectory:
    """The trajectory; where it is not plausible but accepted, ``accepted`` names the checks, and a note too.

    Parameters and errors are those of :func:`plausible` and :func:`trajectory_figures`.
    """
    accepted = refuse_unless_accepted(doubts(trajectory_figures(trajectory, material)), accept, subject)
    if not accepted:
        return trajectory
    tags = accepted_tags(accepted)
    note = f"{subject}: accepted though {tags[ACCEPTED_FIGURES]}"
    return replace(trajectory, notes=(*trajectory.notes, note), accepted=tags)


def accepted_together(tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Tags of a material with what was accepted of its trajectory."""
    if ACCEPTED not in more:
        return dict(tags)
    names = {name for one in (tags, more) for name in one.get(ACCEPTED, "").split(", ") if name}
    figures = [one[ACCEPTED_FIGURES] for one in (tags, more) if ACCEPTED_FIGURES in one]
    return {**tags, ACCEPTED: ", ".join(sorted(names)), ACCEPTED_FIGURES: "; ".join(figures)}


def accepted_tags(accepted: Sequence[Doubt]) -> dict[str, str]:
    """What a material is tagged with: names of checks, and figures."""
    return {
        ACCEPTED: ", ".join(sorted({doubt.check for doubt in accepted})),
        ACCEPTED_FIGURES: "; ".join(doubt.said for doubt in accepted),
    }
