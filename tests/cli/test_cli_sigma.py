"""``softmode sigma``: figures against those computed here, formats, choices of frames, and bad input."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import phonopy
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from moving_metals import FloatArray, Motion, phonopy_hessian, write_moving_metal
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from typer.testing import CliRunner
from vasprun_writer import vasprun_text

import softmode
from softmode.cli.app import app, main

EXAMPLE = Path(softmode.__file__).parent / "data" / "Cs2AgBiBr6"
FRAMES, PARAMS, SPOSCAR = (
    EXAMPLE / name for name in ("frames_300K.extxyz", "phonopy_params.yaml", "SPOSCAR")
)
PROMISED = {
    *("overall", "overall_std", "mean_t", "mean_t_ci95", "class", "class_probability"),
    *("per_element", "per_site", "n_frames", "n_effective", "natoms"),
}
RESOLVED = ("overall", "overall_std", "mean_t", "mass_weighted")


def call(*arguments: str | Path) -> Any:
    result = CliRunner().invoke(app, ["sigma", *[str(argument) for argument in arguments]])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def shown(*arguments: str | Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(call(*arguments, "--json").stdout)
    return content


def write_frames(path: Path, images: list[Atoms]) -> Path:
    ase.io.write(path, images)
    return path


def same(found: dict[str, Any], expected: dict[str, Any], *names: str, rel: float = 1e-9) -> None:
    for name in names or RESOLVED:
        assert found[name] == pytest.approx(expected[name], rel=rel), name
    for kind in ("per_element", "per_site", "per_element_std"):
        assert found[kind] == pytest.approx(expected[kind], rel=rel)


@pytest.fixture(scope="module")
def phonon() -> Phonopy:
    """phonopy's own reading of the embedded example, raw compact force constants."""
    return phonopy.load(PARAMS, symmetrize_fc=False, log_level=0)


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The embedded example, as everybody runs it."""
    return shown("--trajectory", FRAMES, "--force-constants", PARAMS)


def by_hand(phonon: Phonopy, images: list[Atoms]) -> tuple[FloatArray, FloatArray]:
    """Forces and anharmonic forces from their definitions, for frames in the order of the supercell."""
    full = compact_fc_to_full_fc(phonon.primitive, phonon.force_constants)
    moved = []
    for atoms in images:
        reference = Atoms(phonon.supercell.symbols, cell=phonon.supercell.cell, pbc=True)
        reference.set_scaled_positions(phonon.supercell.scaled_positions)
        fractional = atoms.get_scaled_positions(wrap=False) - reference.get_scaled_positions(wrap=False)
        u = (fractional - np.rint(fractional)) @ reference.cell.array
        moved.append(u - np.average(u, axis=0, weights=phonon.supercell.masses))
    forces = np.array([atoms.get_forces() for atoms in images])
    return forces, forces + np.einsum("ijab,fjb->fia", full, np.array(moved))


def test_the_embedded_example(phonon: Phonopy, plain: dict[str, Any]) -> None:
    assert plain.keys() >= PROMISED
    images = ase.io.read(FRAMES, ":")
    forces, anharmonic = by_hand(phonon, images)
    assert plain["overall"] == pytest.approx(np.sqrt((anharmonic**2).sum() / (forces**2).sum()), rel=1e-9)
    assert plain["overall_std"] == pytest.approx(anharmonic.std() / forces.std(), rel=1e-9)
    per_frame = np.sqrt((anharmonic**2).sum(axis=(1, 2)) / (forces**2).sum(axis=(1, 2)))
    assert plain["mean_t"] == pytest.approx(per_frame.mean(), rel=1e-9)
    symbols = np.array(images[0].get_chemical_symbols())
    assert set(plain["per_element"]) == {"Cs", "Ag", "Bi", "Br"}
    for element, value in plain["per_element"].items():
        f, a = forces[:, symbols == element], anharmonic[:, symbols == element]
        assert value == pytest.approx(np.sqrt((a**2).sum() / (f**2).sum()), rel=1e-9)
        assert plain["per_element_std"][element] == pytest.approx(a.std() / f.std(), rel=1e-9)
    assert plain["per_site"] == plain["per_element"]  # one orbit each
    weight = 1.0 / phonon.supercell.masses[:, None]
    mass_weighted = np.sqrt((anharmonic**2 * weight).sum() / (forces**2 * weight).sum())
    assert plain["mass_weighted"] == pytest.approx(mass_weighted, rel=1e-9)
    assert (plain["n_frames"], plain["natoms"], plain["formula"]) == (15, 80, "Cs2AgBiBr6")
    assert sum(mode["multiplicity"] for mode in plain["per_mode"]) == 240
    assert any(mode["imaginary"] for mode in plain["per_mode"])
    assert plain["class"] == "strong"


def test_the_embedded_example_by_its_name(plain: dict[str, Any]) -> None:
    named = shown("--trajectory", "example")
    assert named["n_frames"] == plain["n_frames"]
    assert named["overall"] == pytest.approx(plain["overall"], rel=1e-12)
    refused = CliRunner().invoke(app, ["sigma", "--trajectory", "example", "--skip", "3"])
    assert "embedded frames are few" in str(refused.exception)


def test_too_few_frames_give_no_interval_and_say_so(plain: dict[str, Any]) -> None:
    """15 frames of two samplers, each with a level of its own: they look like one long correlation."""
    assert plain["mean_t_ci95"] is None
    assert plain["class_probability"] is None
    assert any("fewer than two blocks" in note for note in plain["notes"])
    result = call("--trajectory", FRAMES, "--force-constants", PARAMS)
    assert "no interval" in result.stdout
    assert "fewer than two blocks" in result.stderr


def test_three_frames_carry_no_interval_and_no_probability() -> None:
    arguments = ("--trajectory", FRAMES, "--force-constants", PARAMS, "--every", "5")
    content = shown(*arguments)
    assert content["n_frames"] == 3
    assert content["mean_t_ci95"] is content["class_probability"] is None
    assert content["interval_reliable"] is False
    assert content["n_effective"] == 3
    result = call(*arguments)
    words = " ".join(result.stdout.replace("│", " ").split())  # lines are as wide as the terminal
    assert "no interval: too few independent frames" in words
    assert "worth 3.0 independent ones: fewer than 10" in " ".join(result.stderr.split())


def test_it_is_readable(plain: dict[str, Any]) -> None:
    result = call("--trajectory", FRAMES, "--force-constants", PARAMS)
    assert f"{plain['mean_t']:.4f}" in result.stdout
    assert f"{plain['overall']:.6f}" in result.stdout
    assert "Cs2AgBiBr6: 15 frames of 80 atoms" in result.stdout
    for note in plain["notes"]:
        assert note in result.stderr


def test_the_sum_rule_can_be_imposed(plain: dict[str, Any]) -> None:
    symmetrised = shown("--trajectory", FRAMES, "--force-constants", PARAMS, "--symmetrise")
    assert 1e-6 < abs(symmetrised["overall"] - plain["overall"]) < 0.05


@pytest.mark.shared_data
def test_cspbi3_needs_nothing_but_its_trajectory(shared_data: Path) -> None:
    content = shown("--trajectory", shared_data / "cspbi3_vibes" / "trajectory.nc")
    assert content.keys() >= PROMISED
    assert content["overall"] == pytest.approx(0.6594159, abs=1e-6)
    assert content["overall_std"] == pytest.approx(0.6594159, abs=1e-6)
    published = {"Cs": 0.826162, "Pb": 0.674311, "I": 0.647513}
    assert content["per_element_std"] == pytest.approx(published, abs=1e-6)
    assert content["per_element"]["Cs"] == pytest.approx(0.8265, abs=5e-5)
    assert (content["natoms"], content["n_frames"], content["formula"]) == (135, 9, "CsPbI3")
    assert content["class"] == "strong"


# Force constants in other files


def hdf5_full(phonon: Phonopy, folder: Path) -> Path:
    full = compact_fc_to_full_fc(phonon.primitive, phonon.force_constants)
    write_force_constants_to_hdf5(full, filename=folder / "force_constants.hdf5")
    return folder / "force_constants.hdf5"


def hdf5_compact(phonon: Phonopy, folder: Path) -> Path:
    path = folder / "force_constants.hdf5"
    write_force_constants_to_hdf5(phonon.force_constants, filename=path, p2s_map=phonon.primitive.p2s_map)
    return path


def text_full(phonon: Phonopy, folder: Path) -> Path:
    full = compact_fc_to_full_fc(phonon.primitive, phonon.force_constants)
    write_FORCE_CONSTANTS(full, filename=folder / "FORCE_CONSTANTS")
    return folder / "FORCE_CONSTANTS"


def text_compact(phonon: Phonopy, folder: Path) -> Path:
    path = folder / "FORCE_CONSTANTS"
    write_FORCE_CONSTANTS(phonon.force_constants, filename=path, p2s_map=phonon.primitive.p2s_map)
    return path


@pytest.mark.parametrize("write", [hdf5_full, hdf5_compact, text_full, text_compact])
def test_supercell_and_force_constants_in_two_files(
    phonon: Phonopy, plain: dict[str, Any], tmp_path: Path, write: Callable[[Phonopy, Path], Path]
) -> None:
    path = write(phonon, tmp_path)
    found = shown("--trajectory", FRAMES, "--supercell", SPOSCAR, "--force-constants", path)
    same(found, plain)
    assert found["n_frames"] == plain["n_frames"]
    assert len(found["per_mode"]) == len(plain["per_mode"])
    for ours, theirs in zip(found["per_mode"], plain["per_mode"], strict=True):
        assert ours["frequency_THz"] == pytest.approx(theirs["frequency_THz"], abs=1e-5)
        assert ours["multiplicity"] == theirs["multiplicity"]
        assert (ours["sigma"] is None) == (theirs["sigma"] is None)  # the translations
        if ours["sigma"] is not None:
            assert ours["sigma"] == pytest.approx(theirs["sigma"], rel=1e-5)


def test_a_folder_of_phonopy_files(phonon: Phonopy, plain: dict[str, Any], tmp_path: Path) -> None:
    for name in ("POSCAR", "SPOSCAR"):
        (tmp_path / name).write_bytes((EXAMPLE / name).read_bytes())
    hdf5_full(phonon, tmp_path)
    same(shown("--trajectory", FRAMES, "--force-constants", tmp_path), plain)


# Frames


def test_splitting_a_trajectory_changes_no_sigma(plain: dict[str, Any], tmp_path: Path) -> None:
    images = ase.io.read(FRAMES, ":")
    first = write_frames(tmp_path / "1.extxyz", images[:4])
    second = write_frames(tmp_path / "2.traj", images[4:])
    found = shown("--trajectory", first, "--trajectory", second, "--force-constants", PARAMS)
    same(found, plain)
    assert found["n_frames"] == 15
    assert found["run_lengths"] == [4, 11]


def test_frames_are_chosen_in_each_run(phonon: Phonopy, tmp_path: Path) -> None:
    images = ase.io.read(FRAMES, ":")
    first = write_frames(tmp_path / "1.extxyz", images[:6])
    second = write_frames(tmp_path / "2.extxyz", images[6:])
    found = shown(
        *("--trajectory", first, "--trajectory", second, "--force-constants", PARAMS),
        *("--skip", "2", "--every", "3"),
    )
    chosen = [2, 5, 8, 11, 14]
    assert found["run_lengths"] == [2, 3]
    forces, anharmonic = by_hand(phonon, [images[index] for index in chosen])
    assert found["overall"] == pytest.approx(np.sqrt((anharmonic**2).sum() / (forces**2).sum()), rel=1e-9)


def test_the_order_of_atoms_in_the_trajectory_does_not_matter(plain: dict[str, Any], tmp_path: Path) -> None:
    order = np.random.default_rng(8).permutation(80)
    images = []
    for atoms in ase.io.read(FRAMES, ":"):
        moved = atoms[order]
        moved.wrap()
        moved.calc = SinglePointCalculator(moved, energy=0.0, forces=atoms.get_forces()[order])
        images.append(moved)
    path = write_frames(tmp_path / "permuted.traj", images)
    same(shown("--trajectory", path, "--force-constants", PARAMS), plain)


# A metal in motion: vasprun.xml and bad input


@pytest.fixture(scope="module")
def aluminium(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Motion]:
    folder = tmp_path_factory.mktemp("metal") / "Al"
    return folder, write_moving_metal(folder, "Al", n_frames=12)


def vasprun(motion: Motion) -> str:
    scaled = motion.positions @ np.linalg.inv(motion.rest.cell.array)
    return vasprun_text(
        motion.rest.get_chemical_symbols(), motion.rest.cell.array, scaled % 1.0, motion.forces
    )


def test_a_run_cut_short_gives_its_whole_frames(aluminium: tuple[Path, Motion], tmp_path: Path) -> None:
    folder, motion = aluminium
    text = vasprun(motion)
    starts = [index for index in range(len(text)) if text.startswith(" <calculation>", index)]
    path = tmp_path / "vasprun.xml"
    path.write_text(text[: starts[9] + 900])
    result = call("--trajectory", path, "--force-constants", folder, "--json")
    content = json.loads(result.stdout)
    assert content["n_frames"] == 9
    per_frame = motion.sigma_t(phonopy_hessian(folder, symmetrise=False))[:9]
    assert content["mean_t"] == pytest.approx(per_frame.mean(), rel=1e-5)
    [note] = [note for note in content["notes"] if "cut short" in note]
    assert "vasprun.xml" in note
    assert "its 9 whole frames are used" in note
    assert note in result.stderr
    assert "Traceback" not in result.stderr


def test_a_whole_run_has_no_notes(aluminium: tuple[Path, Motion], tmp_path: Path) -> None:
    folder, motion = aluminium
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun(motion))
    result = call("--trajectory", path, "--force-constants", folder, "--json")
    content = json.loads(result.stdout)
    assert result.stderr == ""
    assert content["notes"] == []
    per_frame = motion.sigma_t(phonopy_hessian(folder, symmetrise=False))
    assert content["mean_t"] == pytest.approx(per_frame.mean(), rel=1e-5)
    low, high = content["mean_t_ci95"]
    assert low < content["mean_t"] < high
    assert sum(content["class_probability"].values()) == pytest.approx(1.0)
    assert 1.0 < content["n_effective"] <= 12.0


def changed(folder: Path, motion: Motion, change: Callable[[Motion], None]) -> Path:
    copy = Motion(motion.rest.copy(), motion.positions.copy(), motion.forces.copy())
    change(copy)
    return write_frames(folder / "changed.extxyz", copy.frames())


def stretched(motion: Motion) -> None:
    motion.rest.set_cell(motion.rest.cell.array * 1.002)
    motion.positions[:] *= 1.002


def without_forces(motion: Motion) -> None:
    motion.forces[3] = 0.0


def not_a_number(motion: Motion) -> None:
    motion.forces[5, 2, 1] = np.nan


def another_element(motion: Motion) -> None:
    motion.rest.symbols[0] = "Cu"


def molten(motion: Motion) -> None:
    motion.positions[:, 3] = motion.positions[:, 4] + 0.3


def constants_of_another_size(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    write_FORCE_CONSTANTS(rng.normal(size=(4, 4, 3, 3)), filename=folder / "FORCE_CONSTANTS")
    return folder / "FORCE_CONSTANTS"


def bad_call(case: str, metal: Path, motion: Motion, folder: Path) -> tuple[list[str | Path], list[str]]:
    """Arguments, and what the error must say."""
    good = metal / "run.extxyz"
    sposcar = folder / "SPOSCAR"
    ase.io.write(sposcar, motion.rest, format="vasp", direct=True)
    frames = {
        "lattice": (stretched, ["0.002", "allowed 0.001", "changed.extxyz"]),
        "zero": (without_forces, ["or have three equal components", "--accept repeated_forces"]),
        "nan": (not_a_number, ["NaN", "in frame 5 ", "changed.extxyz"]),
        "element": (another_element, ["Al7 Cu1", "the supercell Al8"]),
        "molten": (molten, ["atom", "Å"]),
    }
    if case in frames:
        change, said = frames[case]
        return ["--trajectory", changed(folder, motion, change), "--force-constants", metal], said
    cases: dict[str, tuple[list[str | Path], list[str]]] = {
        "none": (["--trajectory", good], ["no force constants are given", "--force-constants"]),
        "supercell alone": (
            ["--trajectory", good, "--supercell", sposcar],
            ["no force constants are given", "--force-constants"],
        ),
        "other material": (["--trajectory", good, "--force-constants", PARAMS], ["Al8", "Cs16"]),
        "missing": (
            ["--trajectory", folder / "none.xml", "--force-constants", metal],
            ["none.xml", "there is no such file"],
        ),
        "missing constants": (
            ["--trajectory", good, "--force-constants", folder / "none.hdf5"],
            ["none.hdf5", "there is no such file"],
        ),
        "missing supercell": (
            ["--trajectory", good, "--supercell", folder / "none", "--force-constants", metal],
            ["none", "there is no such file"],
        ),
        "twice": (
            ["--trajectory", good, "--trajectory", good, "--force-constants", metal],
            ["run.extxyz", "twice"],
        ),
        "all skipped": (
            ["--trajectory", good, "--force-constants", metal, "--skip", "12"],
            ["no frame is left", "skip fewer"],
        ),
        "yaml and supercell": (
            ["--trajectory", good, "--supercell", sposcar, "--force-constants", PARAMS],
            ["phonopy_params.yaml", "brings its own supercell"],
        ),
        "folder and supercell": (
            ["--trajectory", good, "--supercell", sposcar, "--force-constants", metal],
            [str(metal), "brings its own supercell"],
        ),
    }
    if case == "other size":
        arguments = ["--supercell", sposcar, "--force-constants", constants_of_another_size(folder)]
        return ["--trajectory", good, *arguments], ["FORCE_CONSTANTS", "the supercell has 8 atoms"]
    return cases[case]


@pytest.mark.parametrize(
    "case",
    [
        *("lattice", "zero", "nan", "element", "molten", "none", "supercell alone", "other material"),
        *("missing", "missing constants", "missing supercell", "twice", "all skipped", "other size"),
        *("yaml and supercell", "folder and supercell"),
    ],
)
def test_bad_input_is_one_line(
    aluminium: tuple[Path, Motion],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    arguments, said = bad_call(case, *aluminium, tmp_path)
    monkeypatch.setattr(sys, "argv", ["softmode", "sigma", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capfd.readouterr()
    assert caught.value.code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in said:
        assert part in err
    assert "Traceback" not in err


def test_misuse_of_options_is_status_2() -> None:
    for arguments in (["sigma"], ["sigma", "--trajectory", "x", "--every", "0"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2
