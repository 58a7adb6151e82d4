"""The embedded example: Cs2AgBiBr6 with our own DFT forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files

from softmode.datasets.assemble import make_material
from softmode.datasets.base import DatasetInfo, MaterialEntry
from softmode.datasets.phonopy_yaml import parse_phonopy_yaml
from softmode.errors import InputDataError
from softmode.material import Material

NAME = "Cs2AgBiBr6"
LEVEL_OF_THEORY = "PBE (CP2K, DZVP-MOLOPT-SR-GTH, Γ point of the 80-atom supercell, no spin-orbit coupling)"
INFO = DatasetInfo(
    name="example",
    title="Cs2AgBiBr6, comes with softmode",
    holds="a cubic halide double perovskite: forces on four displaced 80-atom supercells, "
    f"and on 15 configurations near 300 K; {LEVEL_OF_THEORY}",
    citation="the softmode developers; CP2K 2023.1 through ASE",
    licence="as softmode (MIT)",
    needs_path=False,
)


@dataclass(frozen=True)
class Example:
    """The embedded example as a dataset of one material."""

    @property
    def info(self) -> DatasetInfo:
        """What this is."""
        return INFO

    def entries(self) -> Sequence[MaterialEntry]:
        """The one material."""
        size = len(_text("phonopy_params.yaml"))
        return [MaterialEntry(name=NAME, fingerprint=f"embedded:{size}", loader=partial(load))]


def load() -> Material:
    """Cs2AgBiBr6: 10-atom primitive cell, 2×2×2 supercell, forces on four displaced supercells (0.02 Å)."""
    subject = f"softmode/data/{NAME}/phonopy_params.yaml"
    contents = parse_phonopy_yaml(_text("phonopy_params.yaml"), subject)
    if contents.reference is None or contents.primitive_matrix is None:
        raise InputDataError(subject, "the embedded example is incomplete", "install softmode again")
    material = make_material(
        NAME,
        subject,
        contents.unitcell,
        contents.supercell_matrix,
        contents.primitive_matrix,
        contents.reference,
        contents.nac,
    )
    return replace(material, tags={**material.tags, "level_of_theory": LEVEL_OF_THEORY})


def _text(name: str) -> str:
    return (files("softmode") / "data" / NAME / name).read_text(encoding="utf-8")
