"""Forces of a potential on many configurations of one supercell, batch by batch, resumable."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray
from softmode.errors import NonFiniteForcesError
from softmode.measurements.declaration import Result
from softmode.measurements.view import View
from softmode.records import Partial

#: Frames per call of the potential, which splits them into passes of its own. Fixed for a kind of device,
#: which is part of what determines a record, so that an interruption does not change passes.
_BATCH = 8
_BATCH_ON_ACCELERATOR = 256
_SAVE_EVERY = 10.0  # seconds between saving what has been evaluated


def forces_on(view: View, template: Atoms, positions: FloatArray, what: str) -> Result:
    """Forces and energies of the potential on configurations; goes on where it was stopped.

    Parameters
    ----------
    view : View
        Of a measurement that uses the potential.
    template : ase.Atoms
        The supercell.
    positions : (n_frames, n_atoms, 3) array
        Cartesian positions, Å.
    what : str
        What the configurations are, for messages (``reference frames``).

    Returns
    -------
    Result
        Arrays ``forces`` (n_frames, n_atoms, 3), eV/Å, and ``energies`` (n_frames,), eV.

    Raises
    ------
    NonFiniteForcesError
        Naming every frame on which the potential fails.
    """
    view.potential.check_elements([template])
    forces, energies, bad = [], [], []
    pieces = _Pieces(view.partial)
    size = _BATCH if view.potential.device == "cpu" else _BATCH_ON_ACCELERATOR
    for start in range(0, len(positions), size):
        known = pieces.known(start)
        if known is None:
            batch = [_moved(template, frame) for frame in positions[start : start + size]]
            try:
                evaluation = view.potential.evaluate(batch)
            except NonFiniteForcesError as error:
                bad += [start + index for index in error.configurations]
                continue
            known = {"forces": evaluation.stacked_forces(), "energies": evaluation.energies}
            pieces.add(start, known)
        forces.append(known["forces"])
        energies.append(known["energies"])
    if bad:
        raise NonFiniteForcesError(
            f"{view.name} with {view.potential_name}",
            f"NaN or infinite forces on {len(bad)} of {len(positions)} {what}: "
            f"{_listed(bad)} (counted from 0)",
            "look at those frames; the potential cannot be trusted there",
            configurations=tuple(bad),
        )
    return Result(
        values={"n_frames": len(positions)},
        arrays={"forces": np.concatenate(forces), "energies": np.concatenate(energies)},
    )


def _moved(template: Atoms, positions: FloatArray) -> Atoms:
    frame = template.copy()
    frame.positions = positions
    return frame


def _listed(frames: list[int]) -> str:
    """Ascending frame numbers, all of them, consecutive ones drawn together: ``3, 7-9, 12``."""
    edges = np.flatnonzero(np.diff(frames, prepend=-2, append=frames[-1] + 2) > 1)
    runs = [(frames[first], frames[after - 1]) for first, after in pairwise(edges)]
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


class _Pieces:
    """Evaluated batches, saved every few seconds and found again after an interruption."""

    def __init__(self, partial: Partial | None) -> None:
        self._partial = partial
        self._known: dict[int, dict[str, NDArray[Any]]] = {}
        self._unsaved: dict[int, dict[str, NDArray[Any]]] = {}
        self._number = 0
        self._saved_at = time.monotonic()
        while self._partial is not None and (piece := self._partial.load(self._number)) is not None:
            for start in piece.get("starts", np.empty(0, int)).tolist():
                self._known[start] = {
                    "forces": piece[f"forces_{start}"],
                    "energies": piece[f"energies_{start}"],
                }
            self._number += 1

    def known(self, start: int) -> dict[str, NDArray[Any]] | None:
        """Return the batch that begins with this frame, if it has been evaluated."""
        return self._known.get(start)

    def add(self, start: int, batch: dict[str, NDArray[Any]]) -> None:
        """Keep a batch; save those not saved yet when enough time has passed."""
        self._unsaved[start] = batch
        if self._partial is None or time.monotonic() - self._saved_at < _SAVE_EVERY:
            return
        arrays = {
            f"{name}_{start}": array for start, part in self._unsaved.items() for name, array in part.items()
        }
        self._partial.save(self._number, {"starts": np.array(list(self._unsaved)), **arrays})
        self._number += 1
        self._unsaved = {}
        self._saved_at = time.monotonic()
