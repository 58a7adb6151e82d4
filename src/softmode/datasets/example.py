"""The embedded example: Cs2AgBiBr6 with our own DFT forces."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files

from softmode.crystal import Material, Trajectory
from softmode.datasets.assemble import assemble, supercell_of
from softmode.datasets.base import DatasetKind, DatasetOptions, MaterialEntry
from softmode.datasets.phonopy_yaml import parse_phonopy_yaml
from softmode.datasets.trajectory_alignment import align_trajectory
from softmode.datasets.trajectory_files import read_trajectory

NAME = "Cs2AgBiBr6"
LEVEL_OF_THEORY = "PBE (CP2K, DZVP-MOLOPT-SR-GTH, Γ point of the 80-atom supercell, no spin-orbit coupling)"
#: Frames of each sampler's run, in the order of the file: CHGNet 0.3.0, 7net-0.
RUN_LENGTHS = (5, 10)
SAMPLED_BY = ("CHGNet", "7net-0")
#: σ that is published of DFT's own dynamics, which the frames here are not.
PUBLISHED_SIGMA = "the published 0.336 of DFT's own run (Yang, Fan and Li, Chem. Mater. 34, 9072 (2022))"
_PARAMS, _FRAMES = "phonopy_params.yaml", "frames_300K.extxyz"


def entries(_path: None, _options: DatasetOptions) -> list[MaterialEntry]:
    """The one material."""
    sizes = ":".join(str(len(_text(name))) for name in (_PARAMS, _FRAMES))
    return [MaterialEntry(NAME, f"embedded:{sizes}", load, load_trajectory)]


def load() -> Material:
    """Cs2AgBiBr6: 10-atom primitive cell, 2×2×2 supercell, forces on four displaced supercells (0.02 Å)."""
    subject = f"softmode/data/{NAME}/{_PARAMS}"
    crystal = parse_phonopy_yaml(_text(_PARAMS), subject)
    return assemble(NAME, subject, crystal, {"level_of_theory": LEVEL_OF_THEORY})


def load_trajectory() -> Trajectory:
    """15 configurations near 300 K with DFT forces, in phonopy's supercell order.

    They are two runs (`RUN_LENGTHS`), of CHGNet and of 7net-0: only the forces are DFT's.
    """
    with as_file(files("softmode") / "data" / NAME / _FRAMES) as path:
        frames = replace(read_trajectory([path]), run_lengths=RUN_LENGTHS, source=f"{NAME}/{_FRAMES}")
    return align_trajectory(frames, supercell_of(load()), f"softmode/data/{NAME}/{_FRAMES}")


def _text(name: str) -> str:
    return (files("softmode") / "data" / NAME / name).read_text(encoding="utf-8")


EXAMPLE = DatasetKind(
    name="example",
    title="Cs2AgBiBr6, comes with softmode",
    holds="a cubic halide double perovskite: forces on four displaced 80-atom supercells, "
    f"and on 15 configurations near 300 K; {LEVEL_OF_THEORY}",
    citation="the softmode developers; CP2K 2023.1 through ASE",
    licence="as softmode (MIT)",
    entries=entries,
    path="none",
    aliases=(NAME,),
)
