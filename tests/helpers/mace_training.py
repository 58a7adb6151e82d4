"""A small MACE trained on the DFT forces that come with softmode, with mace-torch's own data, model and loss.

The training set is twelve of the fifteen embedded frames of Cs2AgBiBr6 near 300 K, and small random
displacements whose forces follow from the embedded DFT force constants. The last frames of each of the two
runs are held out. One thread, one seed: the same model every time on the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import softmode
from softmode import harmonic as hm
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces
from softmode.datasets import open_reference
from softmode.datasets.example import load_trajectory

FloatArray = NDArray[np.float64]

FRAMES = Path(softmode.__file__).parent / "data" / "Cs2AgBiBr6" / "frames_300K.extxyz"
#: Frames never trained on: the last of the run of CHGNet (0-4), the last two of that of 7net-0 (5-14).
HELD_OUT = (4, 13, 14)
_FORCES, _ENERGY = "REF_forces", "REF_energy"


@dataclass(frozen=True)
class Training:
    """How a model is made.

    Parameters
    ----------
    channels : int
        Of each of the scalars and vectors that atoms exchange.
    cutoff : float
        Å; two layers see twice as far.
    epochs, batch_size, learning_rate
        Of Adam, with the rate of one cycle.
    n_harmonic : int
        Configurations with harmonic forces.
    amplitude : float
        Their root mean square displacement in each direction, Å.
    harmonic_weight : float
        Weight of their forces, which are smaller, beside those of a frame near 300 K.
    seed : int
        Of initial weights, displacements and the order of configurations.
    """

    channels: int = 16
    cutoff: float = 5.0
    epochs: int = 20
    batch_size: int = 2
    learning_rate: float = 0.04
    n_harmonic: int = 6
    amplitude: float = 0.02
    harmonic_weight: float = 4.0
    seed: int = 1


@dataclass(frozen=True)
class Frames:
    """Configurations with DFT energies and forces, and their harmonic forces.

    Parameters
    ----------
    atoms : list of Atoms
        Configurations, phonopy's atom order.
    energies : (n_frames,) array
        eV.
    forces, harmonic : (n_frames, n_atoms, 3) arrays
        Forces of DFT, and those of its force constants, eV/Å.
    """

    atoms: list[Atoms]
    energies: FloatArray
    forces: FloatArray
    harmonic: FloatArray

    def take(self, indices: Sequence[int]) -> Frames:
        """Some of them."""
        chosen = list(indices)
        return Frames(
            [self.atoms[i] for i in chosen],
            self.energies[chosen],
            self.forces[chosen],
            self.harmonic[chosen],
        )

    @property
    def n_frames(self) -> int:
        """How many there are."""
        return len(self.atoms)


def rms(values: FloatArray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def example_frames() -> Frames:
    """The fifteen embedded frames."""
    material, trajectory = open_reference("example"), load_trajectory()
    cell, constants = _crystal()
    moved = displacements(trajectory, hm.reference_supercell(hm.build_phonopy(material)))
    atoms = []
    for positions in trajectory.positions:
        frame = cell.copy()
        frame.positions = positions
        atoms.append(frame)
    energies = np.array([image.get_potential_energy() for image in ase.io.read(FRAMES, ":")])
    return Frames(atoms, energies, np.array(trajectory.forces), harmonic_forces(constants, moved))


def held_out_frames() -> Frames:
    """The frames that :func:`train_mace` does not see."""
    return example_frames().take(HELD_OUT)


def training_frames() -> Frames:
    """The others."""
    frames = example_frames()
    return frames.take([index for index in range(frames.n_frames) if index not in HELD_OUT])


def _crystal() -> tuple[Atoms, Any]:
    """Supercell at rest and DFT force constants."""
    material = open_reference("example")
    phonon = hm.build_phonopy(material)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
    return hm.reference_supercell(phonon).to_atoms(), hm.full_force_constants(phonon, constants)


def harmonic_frames(training: Training) -> list[Atoms]:
    """Small random displacements, with the forces that the DFT force constants give."""
    cell, constants = _crystal()
    rng = np.random.default_rng(training.seed)
    moved = rng.normal(0.0, training.amplitude, (training.n_harmonic, len(cell), 3))
    moved -= moved.mean(axis=1, keepdims=True)
    made = []
    for shift, forces in zip(moved, harmonic_forces(constants, moved), strict=True):
        atoms = cell.copy()
        atoms.positions += shift
        made.append(
            _labelled(atoms, forces, 0.0, config_weight=training.harmonic_weight, config_energy_weight=0.0)
        )
    return made


def _labelled(atoms: Atoms, forces: FloatArray, energy: float, **info: float) -> Atoms:
    labelled = atoms.copy()
    labelled.arrays[_FORCES] = forces
    labelled.info |= {_ENERGY: energy, **info}
    return labelled


def train_mace(path: Path, training: Training = Training()) -> Path:
    """Train a model and save it, in float64, as mace-torch saves its own.

    Parameters
    ----------
    path : Path
        The ``.model`` file.
    training : Training
        How.
    """
    import torch
    from mace import modules
    from mace.tools.train import take_step
    from torch_ema import ExponentialMovingAverage

    frames = training_frames()
    # near -35,640 eV float32 tells no differences: the mean is put back when the model is in float64
    mean = float(frames.energies.mean())
    labelled = [
        _labelled(atoms, forces, energy - mean)
        for atoms, forces, energy in zip(frames.atoms, frames.forces, frames.energies, strict=True)
    ]
    with _one_thread_float32(training.seed):
        graphs = _graphs([*labelled, *harmonic_frames(training)], training)
        model = build_mace(graphs, training)
        loss = modules.WeightedEnergyForcesLoss(energy_weight=10.0, forces_weight=100.0)
        optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, amsgrad=True)
        average = ExponentialMovingAverage(model.parameters(), decay=0.95)
        order = np.random.default_rng(training.seed)
        batches = [batch for _ in range(training.epochs) for batch in _batches(graphs, training, order)]
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, training.learning_rate, total_steps=len(batches), pct_start=0.15
        )
        outputs = {"forces": True, "virials": False, "stress": False}
        for batch in batches:
            take_step(model, loss, batch, optimizer, average, outputs, 10.0, torch.device("cpu"))
            rate.step()
        average.copy_to(model.parameters())
        model = model.double()
        model.atomic_energies_fn.atomic_energies.fill_(mean / len(frames.atoms[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model, path)
    return path


def build_mace(graphs: Sequence[Any], training: Training) -> Any:
    """An untrained model of the architecture of the published ones, small; scaled as mace-torch scales."""
    import torch
    from e3nn import o3
    from mace import modules
    from mace.tools import torch_geometric

    loader = torch_geometric.dataloader.DataLoader(graphs, batch_size=len(graphs))
    numbers = _numbers()
    shift, scale = modules.scaling_classes["rms_forces_scaling"](loader, np.zeros((1, len(numbers))))
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    return modules.ScaleShiftMACE(
        r_max=training.cutoff,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=len(numbers),
        hidden_irreps=o3.Irreps(f"{training.channels}x0e + {training.channels}x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros((1, len(numbers))),
        avg_num_neighbors=modules.compute_avg_num_neighbors(loader),
        atomic_numbers=numbers,
        correlation=2,
        gate=torch.nn.functional.silu,
        radial_MLP=[32, 32],
        atomic_inter_scale=scale,
        atomic_inter_shift=0.0 * shift,
    )


def _numbers() -> list[int]:
    return sorted({int(number) for number in _crystal()[0].numbers})


def _graphs(labelled: Sequence[Atoms], training: Training) -> list[Any]:
    from mace import data
    from mace.tools.utils import AtomicNumberTable

    keys = data.KeySpecification(info_keys={"energy": _ENERGY}, arrays_keys={"forces": _FORCES})
    table = AtomicNumberTable(_numbers())
    return [
        data.AtomicData.from_config(
            data.config_from_atoms(atoms, key_specification=keys), z_table=table, cutoff=training.cutoff
        )
        for atoms in labelled
    ]


def _batches(graphs: Sequence[Any], training: Training, order: np.random.Generator) -> Iterator[Any]:
    """All graphs once, in a new order."""
    from mace.tools.torch_geometric import Batch

    shuffled = order.permutation(len(graphs))
    for start in range(0, len(graphs), training.batch_size):
        yield Batch.from_data_list([graphs[i] for i in shuffled[start : start + training.batch_size]])


@contextmanager
def _one_thread_float32(seed: int) -> Iterator[None]:
    """Seeded, in one thread and in float32; all put back afterwards."""
    import torch

    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
