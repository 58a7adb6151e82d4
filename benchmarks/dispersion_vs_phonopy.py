"""Frequencies and group velocities of many q-points: softmode beside phonopy, in one run, on the same work.

    python benchmarks/dispersion_vs_phonopy.py

The crystal is the embedded Cs2AgBiBr6 (10-atom primitive cell, 80-atom supercell). softmode's time includes
sorting the force constants by lattice vector; phonopy's dynamical matrix is set up before the clock starts.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from softmode import harmonic as hm
from softmode.datasets import open_reference
from softmode.harmonic.finite_displacement import symmetrised


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    material = open_reference("example")
    phonon = hm.build_phonopy(material)
    force_constants = symmetrised(phonon, hm.reference_force_constants(phonon, material))
    phonon.force_constants = np.array(force_constants.values)
    print(f"Python {platform.python_version()}, numpy {np.__version__}, phonopy {version('phonopy')}")
    print(f"{'q-points':>9} {'threads':>8} {'phonopy (s)':>12} {'softmode (s)':>13} {'ratio':>7}")
    for n_q, repeats in ((300, 9), (4000, 3)):
        q = np.random.default_rng(0).uniform(-0.5, 0.5, (n_q, 3))
        for threads in (1, 2):

            def ours(q: np.ndarray = q, threads: int = threads) -> hm.Dispersion:
                matrix = hm.real_space_dynamical_matrix(phonon, force_constants)
                return hm.compute_dispersion(matrix, q, threads=threads)

            def theirs(q: np.ndarray = q) -> None:
                phonon.run_qpoints(q, with_group_velocities=True)

            ours(), theirs()
            pairs = [(seconds(theirs), seconds(ours)) for _ in range(repeats)]
            ratio = statistics.median(a / b for a, b in pairs)
            their_time, our_time = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{n_q:9d} {threads:8d} {their_time:12.3f} {our_time:13.4f} {ratio:7.1f}")
            result = ours()
            assert np.abs(result.frequencies - phonon.qpoints.frequencies).max() < 1e-6


if __name__ == "__main__":
    main()
