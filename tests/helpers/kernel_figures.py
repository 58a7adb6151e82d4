"""The same small computation under several kernels of OpenBLAS, and how far the results are apart.

    python tests/helpers/kernel_figures.py                           # the embedded example
    python tests/helpers/kernel_figures.py ../shared/data/phonondb   # and a fifth of the database
    python tests/helpers/kernel_figures.py --others                  # kernels to run the tests under as well

`PROMISED` is what docs/reliability.md states and tests/test_reliability.py tests.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Largest difference between two kernels, by figure; see :func:`distance` for what it is relative to.
PROMISED = {
    "force_constants": 1e-12,
    "w2": 1e-12,
    "frequency": 1e-9,
    "vg": 1e-6,
    "slope": 1e-8,
    "rmse_w2": 1e-10,
    "rmse_vg": 1e-8,
    "rmse_slope": 1e-10,
    "sigma": 1e-12,
    "mode_sigma": 1e-9,
    "samples": 1e-9,
    "kernel_exact": 1e-6,
    "kernel_fast": 1e-3,
}
#: Kernels of OpenBLAS and what a processor must know for them, as Linux calls it.
NEEDED = {
    "Nehalem": {"sse4_2"},
    "Sandybridge": {"avx"},
    "Haswell": {"avx2", "fma"},
    "SkylakeX": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
}


def usable_kernels() -> list[str]:
    """Kernels that this processor can run, plainest first; none where there is no telling."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    flags = {word for line in lines if line.startswith("flags") for word in line.partition(":")[2].split()}
    return [kernel for kernel, needed in NEEDED.items() if needed <= flags]


def other_kernels() -> list[str]:
    """Kernels to run tests under beside the one that OpenBLAS chooses: Haswell, and that of AVX-512.

    Where OpenBLAS chooses Haswell and there is no AVX-512, an older one: two kernels are always seen.
    """
    command = (
        "import numpy, threadpoolctl as t; print(*{pool.get('architecture') for pool in t.threadpool_info()})"
    )
    run = subprocess.run(
        [sys.executable, "-c", command], env=environment(None), capture_output=True, text=True, check=True
    )
    others = [kernel for kernel in usable_kernels() if kernel not in run.stdout.split()]
    newer = [kernel for kernel in others if kernel in ("Haswell", "SkylakeX")]
    return newer or others[-1:]


def environment(kernel: str | None) -> dict[str, str]:
    """This process's environment with another kernel, or with the one that OpenBLAS chooses."""
    without = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    without["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return without if kernel is None else {**without, "OPENBLAS_CORETYPE": kernel}


def under(kernel: str | None, folder: str = "") -> tuple[dict[str, FloatArray], str]:
    """Figures computed in a process of its own under a kernel, and the kernel that OpenBLAS says it took."""
    run = subprocess.run(
        [sys.executable, __file__, "--figures", folder],
        env=environment(kernel),
        stdout=subprocess.PIPE,
        check=True,
    )
    figures = dict(np.load(io.BytesIO(run.stdout)))
    return figures, str(figures.pop("kernel"))


def distance(name: str, one: FloatArray, other: FloatArray) -> float:
    """Largest difference: absolute for `frequency` (THz), `vg` (THz·Å) and `samples` (Å), else relative.

    Relative to the largest value, of kernel entries to the standard deviation of all.
    """
    difference = float(np.abs(one - other).max())
    if name.startswith(("frequency", "vg", "samples")):
        return difference
    return difference / float(np.std(one) if name.startswith("kernel") else np.abs(one).max())


def figures(folder: str) -> dict[str, FloatArray]:
    """Everything that is compared, by name; a figure of the n-th material of `folder` has ``:n`` appended."""
    from softmode.datasets import open_dataset, open_reference

    found = _harmonic(open_reference("example")) | _anharmonic() | _maps()
    if folder:
        entries = open_dataset("phonondb", Path(folder)).entries()[::5]
        for number, entry in enumerate(entries):
            found |= {f"{name}:{number}": value for name, value in _harmonic(entry.load()).items()}
    return found


def _harmonic(material: object) -> dict[str, FloatArray]:
    from softmode import harmonic as hm
    from softmode.crystal import ForceConstants

    phonon = hm.build_phonopy(material)  # type: ignore[arg-type]
    constants = hm.reference_force_constants(phonon, material)  # type: ignore[arg-type]
    # A "model": every element of the force constants wrong by up to a tenth, symmetries restored.
    wrong = 1.0 + 0.1 * np.cos(np.arange(constants.values.size)).reshape(constants.values.shape)
    model = hm.symmetrised(phonon, ForceConstants(constants.values * wrong))
    q = np.concatenate([hm.band_path(phonon, 20).points, hm.q_mesh(phonon, 20.0).points])
    sides = [
        hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, each), q)
        for each in (hm.symmetrised(phonon, constants), model)
    ]
    comparison = hm.compare(*sides)
    frequencies = np.concatenate([side.frequencies for side in sides])
    velocities = np.concatenate([side.group_velocities for side in sides])
    away = np.abs(frequencies) > 0.1
    return {
        "force_constants": np.array(model.values),
        "w2": np.concatenate([side.squared for side in sides]),
        "frequency": np.where(away, frequencies, 0.0),
        "vg": np.where(away[:, :, None], velocities, 0.0),
        "slope": np.concatenate([side.slopes for side in sides]),
        "rmse_w2": np.array([comparison.rmse_w2]),
        "rmse_vg": np.array([comparison.rmse_vg]),
        "rmse_slope": np.array([comparison.rmse_slope]),
    }


def _anharmonic() -> dict[str, FloatArray]:
    from softmode import harmonic as hm
    from softmode.anharmonic.displacements import displacements
    from softmode.anharmonic.modes import mode_sigma, supercell_modes
    from softmode.anharmonic.sigma import harmonic_forces, sigma
    from softmode.datasets import open_reference
    from softmode.datasets.example import load_trajectory
    from softmode.dynamics import ThermalSettings, random_samples, supercell_normal_modes

    material, trajectory = open_reference("example"), load_trajectory()
    phonon = hm.build_phonopy(material)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
    supercell = hm.reference_supercell(phonon)
    moved = displacements(trajectory, supercell)
    harmonic = harmonic_forces(hm.full_force_constants(phonon, constants), moved)
    found = sigma(trajectory.forces, harmonic)
    by_mode = mode_sigma(supercell_modes(phonon, constants), trajectory.forces, harmonic)
    samples = random_samples(supercell_normal_modes(phonon, constants), ThermalSettings(), 20, seed=0)
    return {
        "sigma": np.array([*found.per_frame, found.overall, found.overall_std]),
        "mode_sigma": np.concatenate([by_mode.squared_force, by_mode.squared_anharmonic]),
        "samples": samples.positions(supercell),
    }


def _maps() -> dict[str, FloatArray]:
    from softmode.configurations import ArrayFeatures, KernelSettings, frame_kernel, soap_features
    from softmode.datasets.example import load_trajectory

    trajectory = load_trajectory()
    features = ArrayFeatures(soap_features(trajectory), np.sort(trajectory.numbers))
    found = {}
    for mode in ("exact", "fast"):
        matrix = frame_kernel(features, KernelSettings.model_validate({"mode": mode})).matrix()
        found[f"kernel_{mode}"] = matrix.dissimilarities[np.triu_indices(len(trajectory.positions), 1)]
    return found


def _write(folder: str) -> None:
    from threadpoolctl import threadpool_info

    from softmode.numerics import limited_threads

    with limited_threads():
        found = figures(folder)
    kernel = {str(pool.get("architecture")) for pool in threadpool_info() if pool["user_api"] == "blas"}
    content = io.BytesIO()
    np.savez(content, kernel=np.array("+".join(sorted(kernel))), **found)  # type: ignore[arg-type]
    sys.stdout.buffer.write(content.getvalue())


def main(folder: str = "") -> None:
    """Print the largest difference of each figure between any two kernels, and what is promised."""
    found = {kernel: values for values, kernel in (under(name, folder) for name in usable_kernels())}
    lines = ["kernels: " + ", ".join(found)]
    worst: dict[str, float] = {}
    for one in found.values():
        for other in found.values():
            for name in one:
                kind = name.partition(":")[0]
                worst[kind] = max(worst.get(kind, 0.0), distance(name, one[name], other[name]))
    for kind, promised in PROMISED.items():
        lines.append(f"{kind:>16} {worst[kind]:8.1e}   promised {promised:.0e}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--figures"]:
        _write(sys.argv[2])
    elif sys.argv[1:] == ["--others"]:
        sys.stdout.write(" ".join(other_kernels()) + "\n")
    else:
        main(*sys.argv[1:])
