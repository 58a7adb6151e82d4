"""The potentials softmode knows by name, as facts: nothing here loads a model or asks the network."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ase.data import chemical_symbols

from softmode.errors import SettingsError
from softmode.potentials.base import PotentialInfo


class Family(StrEnum):
    """Families of potentials: each has one module in :mod:`softmode.potentials`."""

    MACE = "MACE"
    CHGNET = "CHGNet"
    SEVENNET = "SevenNet"
    ASE = "ASE"


@dataclass(frozen=True)
class FamilyFacts:
    """What is needed to use a family.

    Parameters
    ----------
    module, distribution, extra : str
        Top-level Python module, its name on PyPI, and the extra of softmode that installs it.
    dtypes : tuple of str
        Precisions it can run in, the default first.
    options : tuple of str
        What ``kwargs`` of the settings may hold; the families that accept anything have ``("*",)``.
    """

    module: str
    distribution: str
    extra: str
    dtypes: tuple[str, ...]
    options: tuple[str, ...] = ()


FAMILIES: dict[Family, FamilyFacts] = {
    Family.MACE: FamilyFacts(
        "mace", "mace-torch", "mace", ("float64", "float32"), ("head", "max_atoms_per_batch")
    ),
    Family.CHGNET: FamilyFacts("chgnet", "chgnet", "chgnet", ("float32",)),
    Family.SEVENNET: FamilyFacts("sevenn", "sevenn", "sevennet", ("float32",)),
    Family.ASE: FamilyFacts("ase", "ase", "", ("float64",), ("*",)),
}

#: The 89 elements of MPtrj: H to Pu without Po, At, Rn, Fr and Ra. The MACE models on OMAT and MatPES are
#: published as covering 89 elements too; what a MACE model really covers is read from it when it is loaded.
MATERIALS_PROJECT_ELEMENTS: tuple[str, ...] = tuple(
    chemical_symbols[z] for z in range(1, 95) if not 84 <= z <= 88
)


@dataclass(frozen=True)
class CatalogEntry:
    """A potential known by name.

    Parameters
    ----------
    info : PotentialInfo
        Its description.
    url : str, optional
        Where its weights are downloaded from.
    packaged : str, optional
        Where its weights lie inside the family's Python package, relative to it.
    aliases : tuple of str
        Other names it answers to.
    """

    info: PotentialInfo
    url: str | None = None
    packaged: str | None = None
    aliases: tuple[str, ...] = ()


_MP = "https://github.com/ACEsuit/mace-mp/releases/download"
_FOUNDATIONS = "https://github.com/ACEsuit/mace-foundations/releases/download"

#: Where mace-torch 0.3.16 finds the weights of each model that `mace_mp` knows, by its key there.
MACE_URLS: dict[str, str] = {
    "small": f"{_MP}/mace_mp_0/2023-12-10-mace-128-L0_energy_epoch-249.model",
    "medium": f"{_MP}/mace_mp_0/2023-12-03-mace-128-L1_epoch-199.model",
    "large": f"{_MP}/mace_mp_0/MACE_MPtrj_2022.9.model",
    "small-0b": f"{_MP}/mace_mp_0b/mace_agnesi_small.model",
    "medium-0b": f"{_MP}/mace_mp_0b/mace_agnesi_medium.model",
    "small-0b2": f"{_MP}/mace_mp_0b2/mace-small-density-agnesi-stress.model",
    "medium-0b2": f"{_MP}/mace_mp_0b2/mace-medium-density-agnesi-stress.model",
    "large-0b2": f"{_MP}/mace_mp_0b2/mace-large-density-agnesi-stress.model",
    "medium-0b3": f"{_MP}/mace_mp_0b3/mace-mp-0b3-medium.model",
    "medium-mpa-0": f"{_MP}/mace_mpa_0/mace-mpa-0-medium.model",
    "small-omat-0": f"{_MP}/mace_omat_0/mace-omat-0-small.model",
    "medium-omat-0": f"{_MP}/mace_omat_0/mace-omat-0-medium.model",
    "mace-matpes-pbe-0": f"{_FOUNDATIONS}/mace_matpes_0/MACE-matpes-pbe-omat-ft.model",
    "mace-matpes-r2scan-0": f"{_FOUNDATIONS}/mace_matpes_0/MACE-matpes-r2scan-omat-ft.model",
    "mh-0": f"{_FOUNDATIONS}/mace_mh_1/mace-mh-0.model",
    "mh-1": f"{_FOUNDATIONS}/mace_mh_1/mace-mh-1.model",
}

_MIT = "MIT"
_ASL = "Academic Software License (ASL): non-commercial academic use, https://github.com/gabor1/ASL"
_CITE_MACE = "Batatia et al., A foundation model for atomistic materials chemistry, arXiv:2401.00096 (2023)"
_CITE_MATPES = (
    f"{_CITE_MACE}; Kaplan et al., A foundational potential energy surface dataset, arXiv:2503.04070"
)
_CITE_OMAT = f"{_CITE_MACE}; Barroso-Luque et al., Open Materials 2024, arXiv:2410.12771"
_CITE_CHGNET = "Deng et al., CHGNet, Nat. Mach. Intell. 5, 1031 (2023), doi 10.1038/s42256-023-00716-3"
_CITE_7NET = "Park et al., SevenNet, J. Chem. Theory Comput. 20, 4857 (2024), doi 10.1021/acs.jctc.4c00190"


def _mace(
    key: str,
    training: str,
    theory: str,
    *,
    name: str = "",
    licence: str = _MIT,
    citation: str = _CITE_MACE,
    notes: str = "",
    elements: tuple[str, ...] = MATERIALS_PROJECT_ELEMENTS,
) -> CatalogEntry:
    info = PotentialInfo(name or key, Family.MACE, elements, training, theory, licence, citation, notes)
    return CatalogEntry(info, url=MACE_URLS[key], aliases=(key,) if name else ())


#: The four models of Yang et al., Phys. Chem. Chem. Phys. 28, 4459 (2026), Table 1, under its names.
_PAPER_MACE = (
    _mace(
        "mace-matpes-pbe-0",
        "MATPES-PBE",
        "PBE",
        name="matpes-pbe-omat-ft",
        licence=_ASL,
        citation=_CITE_MATPES,
        notes="no +U correction; fine-tuned from an OMAT model",
    ),
    _mace(
        "medium-mpa-0",
        "MPtrj + sAlex",
        "PBE+U",
        name="mpa-0-medium",
        notes="improved accuracy, particularly high-pressure stability",
    ),
    _mace("medium-0b3", "MPtrj", "PBE+U", name="mp-0b3-medium", notes="improved phonon properties"),
    _mace(
        "medium-omat-0",
        "OMAT",
        "PBE+U",
        name="omat-0-medium",
        licence=_ASL,
        citation=_CITE_OMAT,
        notes="excellent phonon properties",
    ),
)

_OTHER_MACE = (
    _mace("small", "MPtrj", "PBE+U", notes="MACE-MP-0a, first release"),
    _mace("medium", "MPtrj", "PBE+U", notes="MACE-MP-0a, first release"),
    _mace("large", "MPtrj", "PBE+U", notes="MACE-MP-0a, first release"),
    _mace("small-0b", "MPtrj", "PBE+U", notes="MACE-MP-0b, improved pair repulsion"),
    _mace("medium-0b", "MPtrj", "PBE+U", notes="MACE-MP-0b, improved pair repulsion"),
    _mace("small-0b2", "MPtrj", "PBE+U", notes="MACE-MP-0b2, improved stability at high pressure"),
    _mace("medium-0b2", "MPtrj", "PBE+U", notes="MACE-MP-0b2, improved stability at high pressure"),
    _mace("large-0b2", "MPtrj", "PBE+U", notes="MACE-MP-0b2, improved stability at high pressure"),
    _mace("small-omat-0", "OMAT", "PBE+U", licence=_ASL, citation=_CITE_OMAT),
    _mace(
        "mace-matpes-r2scan-0",
        "MATPES-r2SCAN",
        "r2SCAN",
        licence=_ASL,
        citation=_CITE_MATPES,
        notes="fine-tuned from an OMAT model",
    ),
    *(
        _mace(
            key,
            "several sets, one head for each",
            "one for each head",
            licence="see https://github.com/ACEsuit/mace-foundations",
            notes="multi-head: name one with kwargs = { head = ... }; elements are read when it is loaded",
            elements=(),
        )
        for key in ("mh-0", "mh-1")
    ),
)

_CHGNET = CatalogEntry(
    PotentialInfo(
        "chgnet",
        Family.CHGNET,
        MATERIALS_PROJECT_ELEMENTS,
        "MPtrj",
        "PBE+U",
        "Modified BSD",
        _CITE_CHGNET,
        "CHGNet 0.3.0; float32 only, forces noisy at small displacements",
    ),
    packaged="pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    aliases=("chgnet-0.3.0",),
)

_7NET = CatalogEntry(
    PotentialInfo(
        "7net-0",
        Family.SEVENNET,
        MATERIALS_PROJECT_ELEMENTS,
        "MPtrj",
        "PBE+U",
        "GPL-3.0",
        _CITE_7NET,
        "SevenNet-0 of 11 July 2024; float32 only",
    ),
    packaged="pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    aliases=("sevennet-0",),
)

CATALOG: tuple[CatalogEntry, ...] = (*_PAPER_MACE, _CHGNET, _7NET, *_OTHER_MACE)

#: The paper's four models, in the order of its Table 1.
PAPER_MODELS: tuple[str, ...] = tuple(entry.info.name for entry in _PAPER_MACE)


def license_terms(info: PotentialInfo) -> str:
    """What using the weights of a potential means to accept; empty where a licence asks little."""
    if info.licence != _ASL:
        return ""
    return (
        f"{info.name}: its weights come under the {_ASL}. Using them means accepting this licence "
        "(`softmode potentials` lists those of the others)"
    )


def known_potentials() -> Iterator[PotentialInfo]:
    """Descriptions of all potentials known by name: the paper's four, CHGNet, SevenNet, other MACE models."""
    for entry in CATALOG:
        yield entry.info


def find_entry(name: str) -> CatalogEntry | None:
    """The catalogue's entry of that name or alias, if there is one."""
    return next((entry for entry in CATALOG if name == entry.info.name or name in entry.aliases), None)


def unknown_name(name: str) -> SettingsError:
    """The error for a name that is none of those known, with the nearest of them."""
    by_lower = {known.lower(): known for entry in CATALOG for known in (entry.info.name, *entry.aliases)}
    near = [
        by_lower[match] for match in difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.5)
    ]
    hint = f"did you mean {' or '.join(near)}? Otherwise see" if near else "see"
    return SettingsError(
        f"potential {name!r}",
        "is not a known name, a path to a .model file or module:factory",
        f"{hint[0].upper()}{hint[1:]} `softmode potentials` for the names",
    )
