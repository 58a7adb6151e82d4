"""Potentials whose weights only the network has, each through the ASE calculator of its own package.

Written from the documentation of the packages, every call checked against the source of the release that is
pinned, and run by nobody yet: they are listed as not tried. The packages fetch and keep the weights
themselves, so that a record names package, release and model, but no SHA-256 of weights.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from softmode.potentials.calculator import CalculatorPotential
from softmode.potentials.family import MATERIALS_PROJECT_ELEMENTS, Entry, Family, Package
from softmode.potentials.runtime import quiet

if TYPE_CHECKING:
    from softmode.potentials.resolution import ResolvedPotential

log = logging.getLogger(__name__)

#: Makes the ASE calculator of a model: its name in the catalogue, precision, device.
Maker = Callable[[str, str, str], Any]

_TORCH = "torch==2.13.0"


def _orb(name: str, dtype: str, device: str) -> Any:  # noqa: ARG001
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.calculator import ORBCalculator

    load = pretrained.ORB_PRETRAINED_MODELS[name]
    # compiled code would be made anew, and give other last digits, on every machine
    return ORBCalculator(load(device=device, precision="float32-highest", compile=False), device=device)


def _mattersim(name: str, dtype: str, device: str) -> Any:  # noqa: ARG001
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(load_path=f"{name}.pth", device=device)


def _uma(name: str, dtype: str, device: str) -> Any:  # noqa: ARG001
    from fairchem.core import FAIRChemCalculator

    # the default compiles a model for each composition, and uses TF32 on accelerators
    return FAIRChemCalculator.from_model_checkpoint(
        name, task_name="omat", inference_settings="batch", device=device.partition(":")[0]
    )


def _pet(name: str, dtype: str, device: str) -> Any:
    from upet.ase import UPETCalculator

    model, _, version = name.rpartition("-v")
    return UPETCalculator(model=model, version=version, dtype=dtype, device=device)


def _grace(name: str, dtype: str, device: str) -> Any:  # noqa: ARG001
    from tensorpotential.calculator import grace_fm

    return grace_fm(name)


def _family(
    name: str,
    package: Package,
    make: Maker,
    common: Entry,
    models: dict[str, dict[str, Any]],
    *,
    dtypes: tuple[str, ...] = ("float32",),
    settings: tuple[str, ...] = ("device",),
) -> Family:
    """A family of recipes: what all its models have in common, and of each its name and what differs."""
    entries = {model: replace(common, name=model, **differing) for model, differing in models.items()}

    def load(resolved: ResolvedPotential) -> CalculatorPotential:
        terms = entries[resolved.known_as].terms
        if terms:
            log.warning("%s", terms)
        with quiet():
            calculator = make(resolved.known_as, resolved.dtype, resolved.settings.device)
        return CalculatorPotential(resolved.info, calculator, dtype=resolved.dtype)

    return Family(
        name=name,
        load=load,
        entries=tuple(entries.values()),
        package=package,
        dtypes=dtypes,
        settings=settings,
    )


_OMAT = {"training_data": "OMat24", "level_of_theory": "PBE+U", "notes": "pseudopotentials of VASP 54"}
_OAM = {"training_data": "OMat24, then sAlex + MPtrj", "level_of_theory": "PBE+U"}

FAMILIES = (
    # github.com/orbital-materials/orb-models, MODELS.md; parameters: matbench-discovery, orb-v3.yml
    _family(
        "ORB",
        Package("orb_models", "orb-models", beside=("torch",), pins=("orb-models==0.5.5", _TORCH)),
        _orb,
        Entry(
            name="",
            licence="Apache: License 2.0",
            citation="Rhodes et al., Orb-v3: atomistic simulation at scale, arXiv:2504.06231",
            hessians=False,
            parameters=25_510_582,
            tried=False,
            elements=MATERIALS_PROJECT_ELEMENTS,
        ),
        {
            "orb-v3-conservative-inf-omat": _OMAT,
            "orb-v3-conservative-inf-mpa": _OMAT | {"training_data": "MPtrj + Alexandria", "notes": ""},
            "orb-v3-direct-inf-omat": _OMAT | {"notes": "forces are not derivatives of the energy"},
        },
    ),
    # github.com/microsoft/mattersim, README.md and MODEL_CARD.md; 1.2.4 and later want Python 3.12
    _family(
        "MatterSim",
        Package("mattersim", "mattersim", beside=("torch",), pins=("mattersim==1.2.3", _TORCH)),
        _mattersim,
        Entry(
            name="",
            training_data="MatterSim's own, 0 to 5000 K",
            level_of_theory="PBE",
            licence="MIT",
            citation="Yang et al., MatterSim, arXiv:2405.04967",
            hessians=False,
            tried=False,
        ),
        {
            "MatterSim-v1.0.0-1M": {"parameters": 880_000},
            "MatterSim-v1.0.0-5M": {"parameters": 4_500_000, "aliases": ("mattersim",)},
        },
    ),
    # facebookresearch.github.io/fairchem, "UMA models"; of eSEN this release has models of molecules only
    _family(
        "UMA",
        Package("fairchem", "fairchem-core", beside=("torch",), pins=("fairchem-core==2.24.0", _TORCH)),
        _uma,
        Entry(
            name="",
            training_data="OMat24, OMol25, OC20, OMC25, ODAC",
            level_of_theory="PBE+U",
            licence=(
                "FAIR Chemistry License (FAIR): acceptable use policy; weights after a request at "
                "https://huggingface.co/facebook/UMA, with a token in HF_TOKEN"
            ),
            citation="Wood et al., UMA: a family of universal models for atoms, arXiv:2506.23971",
            notes="task omat; pseudopotentials of VASP 54",
            hessians=False,
            licence_binds=True,
            tried=False,
        ),
        {
            "uma-s-1p1": {"parameters": 145_000_000},
            "uma-s-1p2p1": {},
            "uma-m-1p1": {"parameters": 1_400_000_000},
        },
    ),
    # lab-cosmo.github.io/upet and the docstring of UPETCalculator; parameters: matbench-discovery, pet-oam-xl
    _family(
        "PET",
        Package("upet", "upet", beside=("torch", "metatomic-torch"), pins=("upet==0.3.1", _TORCH)),
        _pet,
        Entry(
            name="",
            licence="BSD-3",
            citation="Mazitov et al., PET-MAD, Nat. Commun. 16, 10653 (2025)",
            notes="invariant under rotations by training only",
            hessians=False,
            tried=False,
        ),
        {
            "pet-mad-s-v1.6.0": {
                "training_data": "MAD of 2026",
                "level_of_theory": "r2SCAN",
                "citation": "Malosso et al., arXiv:2603.02089",
                "aliases": ("pet-mad", "pet-mad-s"),
            },
            "pet-mad-s-v1.0.2": {"training_data": "MAD", "level_of_theory": "PBEsol"},
            "pet-oam-xl-v1.0.0": _OAM
            | {
                "parameters": 730_000_000,
                "citation": "Bigi et al., arXiv:2601.16195",
                "aliases": ("pet-oam-xl",),
                "elements": MATERIALS_PROJECT_ELEMENTS,
            },
        },
        dtypes=("float64", "float32"),
    ),
    # gracemaker.readthedocs.io, "Foundation models"; parameters: matbench-discovery, grace-2l-oam.yml
    _family(
        "GRACE",
        Package(
            "tensorpotential", "tensorpotential", beside=("tensorflow",), pins=("tensorpotential==0.6.2.1",)
        ),
        _grace,
        Entry(
            name="",
            licence="Academic Software License (ASL): non-commercial academic use, https://github.com/gabor1/ASL",
            citation="Bochkarev, Lysogorskiy, Drautz, Phys. Rev. X 14, 021036 (2024)",
            hessians=False,
            licence_binds=True,
            tried=False,
            elements=MATERIALS_PROJECT_ELEMENTS,
        ),
        {
            "GRACE-1L-OAM": _OAM,
            "GRACE-2L-OAM": _OAM | {"parameters": 12_597_516, "aliases": ("grace",)},
            "GRACE-2L-OMAT-large-ft-AM-fp64": _OAM,
        },
        dtypes=("float64",),
        settings=(),
    ),
)
