"""The kernel of thermal frames, softmode beside dscribe on the same work in one run; what more frames cost.

    python benchmarks/rematch_vs_dscribe.py
    python benchmarks/rematch_vs_dscribe.py --frames 200 800 2000 5600

The frames are harmonic samples at 300 K of the embedded Cs2AgBiBr6 (80 atoms), described with the settings of
the paper; making the descriptors is not part of the comparison, for both sides use dscribe's. Softmode's time
includes all that it does with them: reduction, normalisation, every pair. dscribe gets one thread for its
linear algebra or all, whichever is faster on 60 pairs. Processor time is given beside wall time: other work
on the machine disturbs it less. With `--frames` the fast mode does everything from positions to the kernel
matrix, and the cost model, timed on a few pairs and frames before, is held against it.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import numpy as np
from dscribe.kernels import REMatchKernel
from threadpoolctl import threadpool_limits

from softmode import harmonic as hm
from softmode.configurations import (
    ArrayFeatures,
    CostModel,
    FrameKernel,
    KernelSettings,
    SoapFeatures,
    SoapSettings,
    exact_dissimilarities,
    fast_mode_error,
    frame_kernel,
    reduce_frames,
)
from softmode.crystal import Trajectory
from softmode.datasets import open_reference
from softmode.dynamics import ThermalSettings, random_samples, supercell_normal_modes


def thermal_frames(n_frames: int) -> Trajectory:
    material = open_reference("example")
    phonon = hm.build_phonopy(material)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
    supercell = hm.reference_supercell(phonon)
    modes = supercell_normal_modes(phonon, constants)
    samples = random_samples(modes, ThermalSettings(temperature=300.0), n_frames, seed=0)
    return samples.trajectory(supercell, np.zeros((n_frames, supercell.n_atoms, 3)))


def upper(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


def faster_threads(features: np.ndarray, alpha: float, threads: int) -> int:
    def seconds(n_threads: int) -> float:
        start = time.perf_counter()
        with threadpool_limits(n_threads):
            REMatchKernel(alpha=alpha, threshold=1e-6).create(list(features[:10]))
        return time.perf_counter() - start

    return min((1, threads), key=seconds)


def side_by_side(n_frames: int, alpha: float, threads: int) -> None:
    source = SoapFeatures((thermal_frames(n_frames),))
    start = time.perf_counter()
    features = ArrayFeatures(source(np.arange(n_frames)), source.numbers)
    print(f"{n_frames} frames of {len(source.numbers)} atoms, {source.n_features} features, alpha {alpha:g}")
    print(f"descriptors (dscribe): {time.perf_counter() - start:.1f} s")
    their_threads = faster_threads(features.values, alpha, threads)
    start, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(their_threads):
        theirs = REMatchKernel(alpha=alpha, threshold=1e-6).create(list(features.values))
    their_time, their_cpu = time.perf_counter() - start, time.process_time() - cpu
    some = np.linspace(0, n_frames - 1, min(n_frames, 40)).astype(int)
    truth = exact_dissimilarities(features.values[some].astype(np.float64), alpha)
    spread = float(np.std(upper(truth)))
    error = np.abs(upper(1.0 - theirs[np.ix_(some, some)]) - upper(truth)).max() / spread
    print(f"spread of 1 - K: {spread:.2e}; errors are the largest of 1 - K, over that spread")
    head = ("seconds", "ratio", "cpu s", "ratio", "us/pair", "rank", "sweeps", "error")
    print(" " * 16 + "{:>9} {:>7} {:>9} {:>7} {:>9} {:>5} {:>6} {:>9}".format(*head))
    n_pairs = n_frames * (n_frames + 1) / 2
    print(
        f"{'dscribe':>16}{their_time:9.2f} {'1':>7} {their_cpu:9.2f} {'1':>7} "
        f"{1e6 * their_time / n_pairs:9.1f} {'':>12} {error:9.1e}",
        flush=True,
    )
    for mode in ("exact", "fast"):
        settings = KernelSettings.model_validate({"alpha": alpha, "mode": mode})
        start, cpu = time.perf_counter(), time.process_time()
        kernel = frame_kernel(features, settings, threads=threads)
        ready = time.perf_counter() - start
        result = kernel.matrix()
        seconds, used = time.perf_counter() - start, time.process_time() - cpu
        error = np.abs(upper(result.dissimilarities[np.ix_(some, some)]) - upper(truth)).max() / spread
        print(
            f"{'softmode ' + mode:>16}{seconds:9.2f} {their_time / seconds:7.1f} "
            f"{used:9.2f} {their_cpu / used:7.1f} "
            f"{1e6 * seconds / n_pairs:9.1f} {kernel.frames.rank:5d} {result.sweeps:6d} {error:9.1e}"
            f"   (of it reduction and K_ii {ready:.2f} s)"
        )


def whole(n_frames: int, alpha: float, threads: int) -> None:
    trajectory = thermal_frames(n_frames)
    source = SoapFeatures((trajectory,), SoapSettings(dtype="float32"))
    predicted = prediction(source, alpha, threads).seconds(n_frames)
    start = time.perf_counter()
    kernel = frame_kernel(source, KernelSettings(alpha=alpha), threads=threads)
    ready = time.perf_counter() - start
    result = kernel.matrix()
    seconds = time.perf_counter() - start
    error = fast_mode_error(kernel, source)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{n_frames:7d} {predicted:10.0f} {seconds:9.0f} {ready:14.0f} "
        f"{1e6 * (seconds - ready) / (n_frames * (n_frames - 1) / 2):9.1f} {kernel.frames.rank:5d} "
        f"{error.relative:9.1e} {peak:9.2f}",
        flush=True,
    )
    assert result.n_fallback == 0


def prediction(source: SoapFeatures, alpha: float, threads: int) -> CostModel:
    """Times of a sample of 200 frames; what is fixed, the basis, is left out of the time of a frame."""
    few = SoapFeatures((first_frames(source.trajectories[0], 200),), source.settings)
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        values = np.concatenate(list(pool.map(few, np.array_split(np.arange(200), 20))))
    per_frame = (time.perf_counter() - start) / 200
    reduced = reduce_frames(ArrayFeatures(values, few.numbers), alpha=alpha)
    return FrameKernel(reduced, KernelSettings(alpha=alpha), threads=threads).cost(
        seconds_per_frame=per_frame
    )


def first_frames(trajectory: Trajectory, n: int) -> Trajectory:
    return Trajectory(
        trajectory.lattice, trajectory.numbers, trajectory.positions[:n], trajectory.forces[:n], (n,)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", help="whole maps of so many frames, fast mode only")
    parser.add_argument("--side-by-side", type=int, default=200, help="frames in the comparison with dscribe")
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, dscribe {version('dscribe')}, "
        f"{options.threads} threads, load {os.getloadavg()[0]:.1f}"
    )
    if options.frames is None:
        side_by_side(options.side_by_side, options.alpha, options.threads)
        return
    head = ("frames", "predicted", "seconds", "before pairs", "us/pair", "rank", "error", "peak GiB")
    print("{:>7} {:>10} {:>9} {:>14} {:>9} {:>5} {:>9} {:>9}".format(*head))
    for n_frames in options.frames:
        whole(n_frames, options.alpha, options.threads)


if __name__ == "__main__":
    main()
