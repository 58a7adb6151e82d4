"""A MACE trained on DFT forces: what it has learnt, both precisions, and the four published names.

The weights are those of a small model trained here, in the places of the published ones; the way from a name
over download and verification to the table of a study is the one the published ones take.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from numpy.typing import NDArray
from phonopy.harmonic.force_constants import compact_fc_to_full_fc, symmetrize_compact_force_constants
from weight_server import Answer, WeightServer, serve

from softmode import harmonic as hm
from softmode.anharmonic.displacements import displacements
from softmode.datasets import open_reference
from softmode.datasets.example import load_trajectory
from softmode.errors import CorruptWeightsError
from softmode.measurements.measure import measure
from softmode.potentials import PAPER_MODELS, Potential, PotentialSettings, resolve
from softmode.potentials.registry import find_entry
from softmode.potentials.weights import cached_path, url_basename
from softmode.records import Record
from softmode.study.folder import Study, reopen_study

pytest.importorskip("mace")

from mace_training import (
    HELD_OUT,
    Frames,
    Training,
    example_frames,
    held_out_frames,
    rms,
    train_mace,
    training_frames,
)

FloatArray = NDArray[np.float64]
Load = Callable[[PotentialSettings], Potential]
SOFTER = 0.9
#: The one that runs in float32 in the study.
SINGLE = "matpes-pbe-omat-ft"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_mace(tmp_path_factory.mktemp("trained") / "example.model")


@pytest.fixture(scope="module")
def potential(trained: Path) -> Potential:
    return resolve(str(trained)).load()


@pytest.fixture(scope="module")
def unseen() -> Frames:
    return held_out_frames()


# --- what it has learnt ----------------------------------------------------------------------------


def test_frames_held_out_are_not_trained_on(unseen: Frames) -> None:
    assert unseen.n_frames == len(HELD_OUT)
    assert training_frames().n_frames + unseen.n_frames == example_frames().n_frames
    seen = {atoms.positions.tobytes() for atoms in training_frames().atoms}
    assert not seen & {atoms.positions.tobytes() for atoms in unseen.atoms}


def test_unseen_forces_are_predicted_better_than_harmonically(potential: Potential, unseen: Frames) -> None:
    """DFT's own force constants are the best that a harmonic model can have, and no force the least."""
    error = rms(potential.evaluate(unseen.atoms).stacked_forces() - unseen.forces)
    assert error < 0.5 * rms(unseen.harmonic - unseen.forces)
    assert error < 0.3 * rms(unseen.forces)


def test_training_is_what_makes_it_good(tmp_path: Path, potential: Potential, unseen: Frames) -> None:
    """The same model after one pass over the data."""
    early = resolve(str(train_mace(tmp_path / "early.model", Training(epochs=1)))).load()
    errors = [rms(p.evaluate(unseen.atoms).stacked_forces() - unseen.forces) for p in (early, potential)]
    assert errors[1] < 0.5 * errors[0]


def test_unseen_energies_are_predicted(potential: Potential, unseen: Frames) -> None:
    """Better than the mean of the energies trained on, and on DFT's own scale."""
    error = potential.evaluate(unseen.atoms).energies - unseen.energies
    assert rms(error) < 0.6 * rms(unseen.energies - training_frames().energies.mean())


def test_forces_are_the_derivative_of_the_energy(potential: Potential, unseen: Frames) -> None:
    frame, step = unseen.atoms[0], 1e-4
    forces = potential.evaluate([frame]).forces[0]
    for atom, axis in ((0, 0), (27, 1), (79, 2)):
        moved = [frame.copy(), frame.copy()]
        for atoms, sign in zip(moved, (1, -1), strict=True):
            atoms.positions[atom, axis] += sign * step
        energies = potential.evaluate(moved).energies
        assert abs(forces[atom, axis]) > 1e-2, "the check could not fail"
        assert (energies[1] - energies[0]) / (2 * step) == pytest.approx(forces[atom, axis], abs=1e-5)


def test_its_phonons_are_near_those_of_dft(trained: Path) -> None:
    """Of the variance of ω² 4 % are left unexplained at most, and it is neither soft nor stiff."""
    record = measure("harmonic", open_reference("example"), resolve(str(trained)))["harmonic"]
    reference = record.arrays["frequencies_reference"]
    squared = np.sign(reference) * reference**2
    assert record.values["path_rmse_w2_THz2"] < 0.2 * squared.std()
    assert record.values["path_softening"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_a_longer_training_is_better_still(tmp_path: Path, potential: Potential, unseen: Frames) -> None:
    longer = resolve(str(train_mace(tmp_path / "longer.model", Training(epochs=80)))).load()
    errors = [rms(p.evaluate(unseen.atoms).stacked_forces() - unseen.forces) for p in (longer, potential)]
    assert errors[0] < errors[1]
    assert errors[0] < 0.2 * rms(unseen.forces)


# --- precision -------------------------------------------------------------------------------------


def test_both_precisions_agree_to_the_rounding_of_float32(
    trained: Path, potential: Potential, unseen: Frames
) -> None:
    single = resolve(PotentialSettings(name=str(trained), dtype="float32"))
    assert single.dtype == "float32"
    assert single.digest != resolve(str(trained)).digest
    loaded = single.load()
    assert {parameter.dtype.itemsize for parameter in loaded.model.parameters()} == {4}
    coarse, fine = loaded.evaluate(unseen.atoms), potential.evaluate(unseen.atoms)
    difference = coarse.stacked_forces() - fine.stacked_forces()
    # a force is a sum over some twenty neighbours of terms of a few eV/Å, each rounded several times
    assert 0.0 < np.abs(difference).max() < 1e3 * np.finfo(np.float32).eps * np.abs(unseen.forces).max()
    np.testing.assert_allclose(coarse.energies, fine.energies, rtol=1e3 * np.finfo(np.float32).eps)


# --- the four published names ----------------------------------------------------------------------


def variant(source: Path, target: Path, name: str) -> Path:
    """Weights for a published name, each different: as trained; softer; stiffer; softer and in float32."""
    import torch

    model = torch.load(source, weights_only=False)
    if name == "mp-0b3-medium":
        model.scale_shift.scale *= SOFTER
    elif name == "matpes-pbe-omat-ft":
        model.scale_shift.scale *= SOFTER**2
        model = model.float()
    elif name == "mpa-0-medium":
        model.heads = ["default"]
        model.scale_shift.scale *= 1.0 / SOFTER
    torch.save(model, target)
    return target


def published_file(name: str) -> str:
    """Name of the file under which the weights of a paper model are published."""
    entry = find_entry(name)
    assert entry is not None
    assert entry.url is not None
    return url_basename(entry.url)


@pytest.fixture(scope="module")
def published(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("published")
    return {name: variant(trained, folder / published_file(name), name) for name in PAPER_MODELS}


def offer(server: WeightServer, published: dict[str, Path]) -> None:
    for path in published.values():
        server.answers[path.name] = Answer(path.read_bytes())


def settings_of(name: str, published: dict[str, Path], dtype: str | None = None) -> PotentialSettings:
    """A published name, with the SHA-256 of what is served here in place of that of the catalogue."""
    return PotentialSettings(name=name, dtype=dtype, sha256=sha256(published[name]))


def direct(path: Path, configurations: list[Atoms], dtype: str = "float64") -> FloatArray:
    """Forces of a model file by mace-torch's own calculator."""
    from mace.calculators import MACECalculator

    calculator = MACECalculator(model_paths=str(path), device="cpu", default_dtype=dtype)
    forces = []
    for configuration in configurations:
        atoms = configuration.copy()
        atoms.calc = calculator
        forces.append(atoms.get_forces())
    return np.array(forces)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PAPER_MODELS)
def test_a_published_name_is_the_model_of_the_file_it_is_published_as(
    name: str, dtype: str, published: dict[str, Path], weight_server: WeightServer, unseen: Frames
) -> None:
    offer(weight_server, published)
    resolved = resolve(settings_of(name, published, dtype))
    assert weight_server.requested == [f"/{published[name].name}"]
    assert resolved.weights_sha256 == hashlib.sha256(published[name].read_bytes()).hexdigest()
    found = resolved.load().evaluate(unseen.atoms[:1]).forces[0]
    expected = direct(published[name], unseen.atoms[:1], dtype)[0]
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(found, expected, atol=tolerance)
    others = [direct(path, unseen.atoms[:1])[0] for other, path in published.items() if other != name]
    assert min(np.abs(other - found).max() for other in others) > 1e-8, "the check could not fail"


def test_the_academic_licence_is_announced_once_before_the_download(
    published: dict[str, Path], weight_server: WeightServer, caplog: pytest.LogCaptureFixture
) -> None:
    offer(weight_server, published)
    for name in PAPER_MODELS:
        resolve(settings_of(name, published))
    announced = [record.getMessage() for record in caplog.records if "licence" in record.getMessage()]
    assert [text.partition(":")[0] for text in announced] == ["matpes-pbe-omat-ft", "omat-0-medium"]
    assert all("https://github.com/gabor1/ASL" in text for text in announced)
    caplog.clear()
    for name in PAPER_MODELS:
        resolve(settings_of(name, published))
    assert not caplog.records


def test_other_bytes_than_those_pinned_are_refused(
    published: dict[str, Path], weight_server: WeightServer
) -> None:
    offer(weight_server, published)
    path = published["omat-0-medium"]
    pinned = hashlib.sha256(published["mpa-0-medium"].read_bytes()).hexdigest()
    with pytest.raises(CorruptWeightsError, match=pinned):
        resolve(PotentialSettings(name="omat-0-medium", sha256=pinned))
    entry = find_entry("omat-0-medium")
    assert entry is not None
    assert entry.url is not None
    assert not cached_path(entry.url).exists()
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert resolve(PotentialSettings(name="omat-0-medium", sha256=right)).weights_sha256 == right


# --- a study, from the names to the table ----------------------------------------------------------

STUDY = """
name = "Four names"
measurements = ["harmonic", "sigma"]
[dataset]
kind = "example"
[protocol]
points_per_segment = 4
mesh_length = 8.0
{potentials}
[run]
workers = 1
"""


@pytest.fixture(scope="module")
def study(
    published: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, subprocess.CompletedProcess[str]]:
    """`softmode run` with the four names, the first in float32, and one that is served damaged."""
    root = tmp_path_factory.mktemp("study")
    entries = [
        f'[[potential]]\nname = "{name}"\nsha256 = "{sha256(published[name])}"' for name in PAPER_MODELS
    ]
    entries[0] += '\ndtype = "float32"'
    entries.append('[[potential]]\nname = "small-omat-0"')
    (root / "four.toml").write_text(STUDY.format(potentials="\n".join(entries)))
    with serve() as server:
        offer(server, published)
        whole = published["omat-0-medium"].read_bytes()
        server.answers[published_file("small-omat-0")] = Answer(whole[:-500], announced=len(whole))
        environment = {
            **os.environ,
            "SOFTMODE_CACHE": str(root / "cache"),
            "XDG_CACHE_HOME": str(root / "xdg"),
            "SOFTMODE_WEIGHTS_URL": server.url,
        }
        command = [sys.executable, "-m", "softmode", "run", "four.toml", "--output", "out"]
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=1500
        )
    assert (root / "out" / "study.json").is_file(), done.stderr
    shutil.rmtree(root / "cache")
    return reopen_study(root / "out"), done


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def records_of(study: Study, label: str) -> dict[str, Record]:
    [cell] = [cell for cell in study.cases if cell.label == label]
    return study.records(cell, with_arrays=True)


def expected_sigma(path: Path, dtype: str) -> dict[str, float]:
    """⟨σ(t)⟩ from its definition, with forces of mace-torch's calculator and force constants by phonopy."""
    material, trajectory = open_reference("example"), load_trajectory()
    phonon = hm.build_phonopy(material)
    rest = hm.reference_supercell(phonon)
    frames = []
    for positions in trajectory.positions:
        frame = rest.to_atoms()
        frame.positions = positions
        frames.append(frame)
    moved = displacements(trajectory, rest)
    forces = direct(path, frames, dtype)
    reference = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
    phonon.generate_displacements(distance=0.01)
    displaced = []
    for cell in phonon.supercells_with_displacements:
        atoms = rest.to_atoms()
        atoms.positions = cell.positions
        displaced.append(atoms)
    phonon.forces = direct(path, displaced, dtype)
    phonon.produce_force_constants(calculate_full_force_constants=False)
    compact = phonon.force_constants.copy()
    symmetrize_compact_force_constants(compact, phonon.primitive)
    own = compact_fc_to_full_fc(phonon.primitive, compact)
    full = hm.full_force_constants(phonon, reference).values
    return {
        "sigma_phi_ref_mean_t": mean_sigma(forces, moved, full),
        "sigma_phi_model_mean_t": mean_sigma(forces, moved, own),
        "sigma_reference_mean_t": mean_sigma(np.array(trajectory.forces), moved, full),
    }


def mean_sigma(forces: FloatArray, moved: FloatArray, constants: FloatArray) -> float:
    anharmonic = forces + np.einsum("ijab,tjb->tia", constants, moved)
    return float(np.mean(np.sqrt((anharmonic**2).sum(axis=(1, 2))) / np.sqrt((forces**2).sum(axis=(1, 2)))))


@pytest.mark.parametrize("name", PAPER_MODELS)
def test_a_study_gives_the_sigma_of_a_direct_evaluation(
    name: str,
    study: tuple[Study, subprocess.CompletedProcess[str]],
    published: dict[str, Path],
) -> None:
    dtype = "float32" if name == SINGLE else "float64"
    values = records_of(study[0], name)["sigma"].values
    tolerance = 1e-6 if dtype == "float64" else 2e-3
    for key, expected in expected_sigma(published[name], dtype).items():
        assert values[key] == pytest.approx(expected, abs=tolerance), key


def test_a_study_gives_the_forces_of_a_direct_evaluation(
    study: tuple[Study, subprocess.CompletedProcess[str]], published: dict[str, Path]
) -> None:
    frames = example_frames().atoms
    for name in set(PAPER_MODELS) - {SINGLE}:
        found = records_of(study[0], name)["trajectory_forces"].arrays["forces"]
        np.testing.assert_allclose(found, direct(published[name], frames), atol=1e-9)


def test_scaled_weights_scale_what_they_should(
    study: tuple[Study, subprocess.CompletedProcess[str]],
) -> None:
    """mp-0b3-medium is served with all forces times 0.9: its ω² are 0.9 times those of omat-0-medium."""
    whole, soft = (records_of(study[0], name) for name in ("omat-0-medium", "mp-0b3-medium"))
    ratio = soft["harmonic"].values["path_softening"] / whole["harmonic"].values["path_softening"]
    assert ratio == pytest.approx(SOFTER, rel=1e-6)
    assert soft["sigma"].values["sigma_phi_model_mean_t"] == pytest.approx(
        whole["sigma"].values["sigma_phi_model_mean_t"], rel=1e-6
    )
    assert soft["sigma"].values["sigma_phi_ref_mean_t"] != pytest.approx(
        whole["sigma"].values["sigma_phi_ref_mean_t"], rel=1e-3
    )


def test_phonons_suffer_from_softer_weights(
    study: tuple[Study, subprocess.CompletedProcess[str]],
) -> None:
    errors = {
        name: records_of(study[0], name)["harmonic"].values["path_rmse_w2_THz2"] for name in PAPER_MODELS
    }
    assert errors["omat-0-medium"] < errors["mp-0b3-medium"] < errors["matpes-pbe-omat-ft"]


def test_precision_is_recorded_and_one_bad_download_costs_only_itself(
    study: tuple[Study, subprocess.CompletedProcess[str]],
) -> None:
    opened, done = study
    settings = {item.label or item.name: item for item in opened.settings.potentials}
    assert [settings[name].dtype for name in PAPER_MODELS] == ["float32", None, None, None]
    table = pd.read_csv(opened.folder / "report" / "tables" / "cells.csv").set_index("potential")
    assert table["state"].to_dict() == {
        **dict.fromkeys(PAPER_MODELS, "ok"),
        "small-omat-0": "failed",
    }
    assert "mace-omat-0-small.model" in table.loc["small-omat-0", "failure"]
    assert done.stderr.count("Using them means accepting this licence") == 3
