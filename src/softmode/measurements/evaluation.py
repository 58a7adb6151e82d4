"""Forces of a potential on many configurations of one supercell, batch by batch, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import NonFiniteForcesError
from softmode.measurements.declaration import Result
from softmode.measurements.pieces import HelpEndedError, Pieces
from softmode.measurements.view import View
from softmode.statistics.sequential import looks

#: Frames per call of the potential, which splits them into passes of its own. Fixed for a kind of device,
#: which is part of what determines a record, so that an interruption does not change passes.
_BATCH = 8
_BATCH_ON_ACCELERATOR = 256


def forces_on(view: View, template: Atoms, positions: FloatArray, what: str) -> Result:
    """Forces and energies of the potential on configurations; goes on where it was stopped.

    Other processes may help: :mod:`softmode.measurements.pieces`.

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
    pieces = Pieces(view.partial, view.help, view.arithmetic())
    numbers = np.arange(len(positions))
    evaluated = _evaluated(view, template, positions, numbers, 0, pieces, what)
    return Result(values={"n_frames": len(positions)}, arrays=evaluated)


def forces_until(
    view: View,
    template: Atoms,
    positions: FloatArray,
    order: IntArray,
    enough: Callable[[IntArray, FloatArray], str],
    what: str,
) -> Result:
    """Forces and energies on as many configurations as it takes; what is evaluated is kept to go on from.

    They are evaluated in an order that depends on nothing that is found, between looks that are fixed
    beforehand: so neither interruptions nor another rule change which they are.

    Parameters
    ----------
    view, template, positions, what
        As for :func:`forces_on`.
    order : (n_frames,) array
        Indices of the configurations in the order in which they are evaluated.
    enough : callable
        Given the indices of the configurations evaluated, ascending, and their forces; why they are enough,
        or an empty text.

    Returns
    -------
    Result
        Arrays ``frames``, ascending, and ``forces`` and ``energies`` of these; values ``n_frames`` and
        ``stopped``.

    Raises
    ------
    NonFiniteForcesError
        Naming the frames on which the potential fails.
    """
    if view.help is not None:  # how many are needed is not known beforehand
        raise HelpEndedError(0)
    view.potential.check_elements([template])
    pieces = Pieces(view.partial, arithmetic=view.arithmetic())
    parts, stopped, frames, arrays = [], "", order[:0], {}
    for before, n in pairwise((0, *looks(len(order)))):
        new = order[before:n]
        parts.append(_evaluated(view, template, positions[new], new, before, pieces, what))
        sorting = np.argsort(order[:n])
        frames = order[:n][sorting]
        arrays = {name: np.concatenate([part[name] for part in parts])[sorting] for name in parts[0]}
        stopped = enough(frames, arrays["forces"])
        if stopped:
            break
    pieces.save()
    return Result(
        values={"n_frames": len(frames), "stopped": stopped},
        arrays={"frames": frames, **arrays},
    )


def _evaluated(
    view: View,
    template: Atoms,
    positions: FloatArray,
    numbers: IntArray,
    first: int,
    pieces: Pieces,
    what: str,
) -> dict[str, NDArray[Any]]:
    """Forces and energies, batch by batch; `numbers` for messages, `first` to tell batches apart."""
    size, n = _BATCH if view.potential.device == "cpu" else _BATCH_ON_ACCELERATOR, len(positions)
    sizes = {first + start: min(size, n - start) for start in range(0, n, size)}
    bad: list[int] = []
    for begin in pieces.turns(sizes):
        start, end = begin - first, begin - first + sizes[begin]
        started = time.perf_counter()
        try:
            evaluation = view.potential.evaluate([_moved(template, frame) for frame in positions[start:end]])
        except NonFiniteForcesError as error:
            bad += [int(numbers[start + index]) for index in error.configurations]
            continue
        seconds = np.array(time.perf_counter() - started)
        forces = evaluation.stacked_forces()
        pieces.add(begin, {"forces": forces, "energies": evaluation.energies, "seconds": seconds})
    view.note_elsewhere(*pieces.elsewhere(sizes))
    if bad:
        raise NonFiniteForcesError(
            f"{view.name} with {view.potential_name}",
            f"NaN or infinite forces on {len(bad)} of {len(positions)} {what}: "
            f"{_listed(sorted(bad))} (counted from 0)",
            "look at those frames; the potential cannot be trusted there",
            configurations=tuple(bad),
        )
    batches = [pieces.batch(begin) for begin in sizes]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in ("forces", "energies")}


def _moved(template: Atoms, positions: FloatArray) -> Atoms:
    frame = template.copy()
    frame.positions = positions
    return frame


def _listed(frames: list[int]) -> str:
    """Ascending frame numbers, all of them, consecutive ones drawn together: ``3, 7-9, 12``."""
    edges = np.flatnonzero(np.diff(frames, prepend=-2, append=frames[-1] + 2) > 1)
    runs = [(frames[first], frames[after - 1]) for first, after in pairwise(edges)]
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
