"""Anharmonicity σ⁽²⁾: of the reference, of a potential beside it, or of a potential alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from matplotlib.figure import Figure

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.crystal import Material, Trajectory
from softmode.errors import SettingsError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.measure import measure
from softmode.notebook.inputs import Crystal, conditions_of, load, potential
from softmode.notebook.phonons import chosen_protocol
from softmode.notebook.results import Measured, displayed
from softmode.records import Record
from softmode.style import PALETTE, REFERENCE_COLOUR, figure_style, guides, plain, pretty_formula

#: Which force constants and forces are combined, as it is called.
APPROACHES = {
    "reference": "reference",
    "phi_ref": "forces of the potential, Φ of the reference",
    "phi_model": "forces and Φ of the potential",
    "self_consistent": "the potential alone",
}


@dataclass(frozen=True)
class Sigma:
    """σ⁽²⁾ in one approach; no units.

    Parameters
    ----------
    mean_t, low, high : float
        ⟨σ(t)⟩, the score, and its 95 % interval; None where the frames give none.
    overall : float
        Over all frames, atoms and components.
    class_name : str
        ``weak``, ``strong`` or ``unstable``.
    probabilities : mapping of str to float or None
        Of each class.
    per_element, per_site : mapping of str to float
        Of the atoms of each alone.
    """

    mean_t: float
    low: float | None
    high: float | None
    overall: float
    class_name: str
    probabilities: Mapping[str, float] | None
    per_element: Mapping[str, float | None]
    per_site: Mapping[str, float | None]

    @classmethod
    def of(cls, values: Mapping[str, Any], approach: str) -> Sigma:
        """From the values of a record."""
        prefix = f"sigma_{approach}_"
        own = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
        chances = {name: own[f"p_{name}"] for name in CLASSES}
        return cls(
            mean_t=own["mean_t"],
            low=own["mean_t_low"],
            high=own["mean_t_high"],
            overall=own["overall"],
            class_name=own["class"],
            probabilities=None if chances["weak"] is None else chances,
            per_element=own["per_element"],
            per_site=own["per_site"],
        )

    def __str__(self) -> str:
        """The score with its interval."""
        within = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.mean_t:.3f}{within}"


@dataclass(frozen=True, eq=False, repr=False)
class Anharmonicity(Measured):
    """σ⁽²⁾ by approach.

    Parameters
    ----------
    configurations : str
        On what it was measured: the reference's trajectory, or the potential's own samples.
    measurement : str
        Whose record holds it: ``reference_sigma``, ``sigma`` or ``self_consistent``.
    """

    configurations: str
    measurement: str

    @property
    def record(self) -> Record:
        """All values and arrays."""
        return self.records[self.measurement]

    @property
    def sides(self) -> dict[str, Sigma]:
        """σ by approach: ``reference``, ``phi_ref``, ``phi_model``; or ``self_consistent``."""
        values = self.record.values
        return {name: Sigma.of(values, name) for name in APPROACHES if f"sigma_{name}_mean_t" in values}

    @property
    def reference(self) -> Sigma | None:
        """Of the reference; None without a trajectory."""
        return self.sides.get("reference")

    @property
    def model(self) -> Sigma | None:
        """Of forces and force constants of the potential; None without a potential."""
        return self.sides.get("phi_model") or self.sides.get("self_consistent")

    @property
    def force_mae_eV_per_A(self) -> float | None:
        """Mean absolute error of force components on the reference's frames."""
        return self.record.values.get("force_mae_eV_per_A")

    @property
    def force_rmse_eV_per_A(self) -> float | None:
        """Root mean square error of the same."""
        return self.record.values.get("force_rmse_eV_per_A")

    @property
    def extent(self) -> str:
        """How many frames the potential was evaluated on, and why no more; empty when on all."""
        return str(self.record.values.get("sigma_extent_note", ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the frames, and why there is no interval."""
        values = self.record.values
        return (
            *values.get("sigma_notes", ()),
            *values.get("self_consistent_notes", ()),
            *filter(None, (values.get("self_consistent_interval_note"),)),
        )

    @property
    def table(self) -> pd.DataFrame:
        """A row for each approach."""
        columns = ["mean_t", "low", "high", "overall", "class_name"]
        rows = {APPROACHES[name]: asdict(own) for name, own in self.sides.items()}
        return pd.DataFrame.from_dict(rows, orient="index")[columns]

    def __repr__(self) -> str:
        """Who, on what, and the scores."""
        who = self.material.formula + (f" × {self.potential}" if self.potential else "")
        scores = "; ".join(f"{APPROACHES[name]} {own}" for name, own in self.sides.items())
        return f"<Anharmonicity {who}, ⟨σ(t)⟩ on {self.configurations}: {scores}>"

    def plot(self) -> Figure:
        """σ(t) frame by frame, with the edges of the classes."""
        with figure_style():
            figure = Figure(figsize=(6.4, 3.4))
            axes = figure.subplots()
            for name, colour in zip(self.sides, self._colours(), strict=False):
                values = self.record.arrays[f"sigma_t_{name}"]
                there = np.flatnonzero(np.isfinite(values))  # of frames left out there is none
                values, label = values[there], APPROACHES[name]
                axes.plot(there, values, ".-", color=colour, linewidth=1.0, markersize=4, label=label)
            for boundary in np.cumsum(self.record.arrays.get("run_lengths", ()))[:-1]:
                axes.axvline(boundary - 0.5, color="0.6", linewidth=0.8, linestyle="--")
            guides(axes, EDGES, "y")
            who = pretty_formula(self.material.formula)
            axes.set(xlabel="frame", ylabel="σ(t)")
            axes.set_title(who + (f", {plain(self.potential)}" if self.potential else ""))
            figure.legend(loc="outside lower center", ncols=2)
        return displayed(figure)

    def _colours(self) -> tuple[str, ...]:
        return (REFERENCE_COLOUR, *PALETTE) if self.reference else PALETTE


def anharmonicity(
    crystal: Crystal | Material | Atoms | str,
    model: Any = None,
    trajectory: Trajectory | str | Path | Iterable[str | Path] | None = None,
    *,
    protocol: str | HarmonicProtocol = "default",
    relax: bool = False,
    temperature: float = 300.0,
    samples: int = 20,
    seed: int = 2026,
    frames: Any = "all",
) -> Anharmonicity:
    """Measure σ⁽²⁾: on the reference's trajectory where there is one, else of the potential alone.

    Parameters
    ----------
    crystal, model
        From :func:`load` and :func:`potential`, or what these take. Without a model: of the reference alone.
    trajectory : Trajectory, path or paths, optional
        In place of the crystal's own.
    protocol : str or HarmonicProtocol
        How force constants are made.
    relax : bool
        Of a potential alone: relax first.
    temperature : float
        Of a potential alone: of the samples of its self-consistent harmonic crystal, K.
    samples : int
        Of a potential alone: how many.
    seed : int
        Of samples, intervals and the order of frames.
    frames : str or dict
        Frames of the trajectory that the potential is evaluated on: ``"all"``, ``{"every": 5}``,
        ``"adaptive"`` (until the class is 95 % certain), ``{"certainty": 0.99}`` or ``{"interval": 0.02}``.

    Raises
    ------
    SettingsError
        If there is neither a trajectory nor a potential, or force constants of the reference are lacking.
    SoftmodeError
        If the potential fails.
    """
    crystal = load(crystal) if trajectory is None else load(crystal).with_trajectory(trajectory)
    run, own = crystal.trajectory, None if model is None else potential(model)
    if run is not None:
        name = "reference_sigma" if own is None else "sigma"
        configurations = f"{run.n_frames} frames of the reference"
    elif own is not None:
        name = "self_consistent"
        configurations = f"{samples} samples of its self-consistent harmonic crystal at {temperature:g} K"
    else:
        raise SettingsError(
            crystal.material.name,
            "it has no trajectory, and no potential is given",
            "Give a trajectory with forces, a potential, or both",
        )
    conditions = conditions_of(
        "anharmonicity",
        {
            "protocol": chosen_protocol(protocol, "relaxed" if relax else None),
            "seed": seed,
            "sigma": {"frames": frames},
            "self_consistent": {"temperature": temperature, "n_samples": samples},
        },
    )
    loaded = None if own is None else own.potential
    records = measure(name, crystal.material, loaded, conditions, trajectory=run)
    label = "" if own is None else own.name
    return Anharmonicity(crystal.material, label, conditions, records, configurations, name)
