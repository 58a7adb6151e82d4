"""From settings to a potential: which one is meant, where its weights are, what determines its results."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from softmode.errors import CorruptWeightsError, MissingWeightsError, SettingsError
from softmode.potentials import weights
from softmode.potentials.base import Potential, PotentialInfo
from softmode.potentials.calculator import factory_source_sha256, factory_version, is_factory_name
from softmode.potentials.catalog import (
    FAMILIES,
    CatalogEntry,
    Family,
    find_entry,
    license_terms,
    unknown_name,
)
from softmode.potentials.runtime import is_installed, require_package
from softmode.potentials.settings import PotentialSettings
from softmode.potentials.weights import WeightFile

#: Options of the families that change how long an evaluation takes and nothing else.
_OPTIONS_WITHOUT_EFFECT_ON_RESULTS = frozenset({"max_atoms_per_batch"})


class WeightsStatus(StrEnum):
    """Whether a potential can be used on this machine right now."""

    PACKAGED = "packaged"
    CACHED = "cached"
    FILE = "file"
    DOWNLOADABLE = "downloadable"
    FILE_MISSING = "file missing"
    NOT_INSTALLED = "package not installed"
    NOT_NEEDED = "none needed"


@dataclass(frozen=True)
class _Target:
    """What a name stands for: one of a catalogue entry, a path and a factory."""

    info: PotentialInfo
    entry: CatalogEntry | None = None
    path: Path | None = None
    factory: str | None = None

    @property
    def family(self) -> Family:
        return Family(self.info.family)


@dataclass(frozen=True)
class ResolvedPotential:
    """A potential that is settled down to its weights but not loaded; it can be sent to other processes.

    Parameters
    ----------
    info : PotentialInfo
        Description, under the name used in tables.
    settings : PotentialSettings
        What it was resolved from.
    dtype : str
        Precision it will run in.
    weights_path : Path or None
        Its weight file.
    weights_sha256 : str or None
        SHA-256 of that file.
    versions : tuple of (str, str)
        Python packages it depends on, and their versions.
    source_sha256 : str or None
        SHA-256 of the module of a ``module:factory`` of the user's own.
    """

    info: PotentialInfo
    settings: PotentialSettings
    dtype: str
    weights_path: Path | None
    weights_sha256: str | None
    versions: tuple[tuple[str, str], ...]
    source_sha256: str | None = None

    @property
    def family(self) -> Family:
        """Family of the potential."""
        return Family(self.info.family)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that determines the results.

        Weights count by content, so that names, labels and paths of the same weights share a digest;
        the version of torch is recorded in `versions` but does not count.
        """
        options = {
            key: value
            for key, value in self.settings.kwargs.items()
            if key not in _OPTIONS_WITHOUT_EFFECT_ON_RESULTS
        }
        content = {
            "family": str(self.family),
            "factory": self.settings.name if self.family is Family.ASE else None,
            "kwargs": options,
            "weights": self.weights_sha256,
            "dtype": self.dtype,
            "device": self.settings.device.partition(":")[0],
            "package": self.versions[0],
            "source": self.source_sha256,
            "elements": sorted(self.settings.elements) if self.settings.elements is not None else None,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def load(self) -> Potential:
        """Load the model.

        Raises
        ------
        SoftmodeError
            If the package, the device or the weights cannot be used, or the weights have changed since
            they were resolved.
        """
        if self.family is Family.ASE:
            from softmode.potentials.calculator import CalculatorPotential

            return CalculatorPotential(self.info, self.settings.name, self.settings.kwargs)
        path = self._unchanged_weights()
        device = self.settings.device
        if self.family is Family.MACE:
            from softmode.potentials.mace import MACEPotential

            options: dict[str, Any] = dict(self.settings.kwargs)
            return MACEPotential(self.info, path, dtype=self.dtype, device=device, **options)
        if self.family is Family.CHGNET:
            from softmode.potentials.chgnet import CHGNetPotential

            return CHGNetPotential(self.info, path, device=device)
        from softmode.potentials.sevennet import SevenNetPotential

        return SevenNetPotential(self.info, path, device=device)

    def _unchanged_weights(self) -> Path:
        path = self.weights_path
        if path is None:
            raise MissingWeightsError(self.info.name, "was resolved without weights", "Resolve it again")
        if weights.file_sha256(path) != self.weights_sha256:
            raise CorruptWeightsError(
                str(path),
                "has changed since the potential was resolved",
                "Run again with the file as it is now",
            )
        return path


def describe(settings: PotentialSettings | str) -> PotentialInfo:
    """What is known about a potential, without loading it.

    Raises
    ------
    SettingsError
        If the name is not known, or the settings do not fit the potential.
    """
    return _identify(_settings(settings)).info


def resolve(settings: PotentialSettings | str) -> ResolvedPotential:
    """Settle a potential down to its weights, which are downloaded when they are not on this machine.

    No model library is imported.

    Raises
    ------
    SettingsError
        If the name is not known, or the settings do not fit the potential.
    MissingDependencyError, MissingWeightsError, CorruptWeightsError, StorageError
        If the package is not installed, or the weights cannot be had.
    """
    settings = _settings(settings)
    target = _identify(settings)
    dtype = settings.dtype or FAMILIES[target.family].dtypes[0]
    if target.factory is not None:
        module = target.factory.partition(":")[0].partition(".")[0]
        versions: tuple[tuple[str, str], ...] = ((module, factory_version(target.factory)),)
        source = factory_source_sha256(target.factory)
        return ResolvedPotential(target.info, settings, dtype, None, None, versions, source)
    require_package(target.family, target.info.name)
    found = _weight_file(target, settings.sha256)
    versions = _versions(target.family)
    return ResolvedPotential(target.info, settings, dtype, found.path, found.sha256, versions)


def weights_status(settings: PotentialSettings | str) -> WeightsStatus:
    """Whether the weights of a potential are on this machine; nothing is read, no network is asked."""
    target = _identify(_settings(settings))
    if target.factory is not None:
        return WeightsStatus.NOT_NEEDED
    if not is_installed(target.family):
        return WeightsStatus.NOT_INSTALLED
    if target.path is not None:
        return WeightsStatus.FILE if target.path.is_file() else WeightsStatus.FILE_MISSING
    if _packaged_weights(target) is not None:
        return WeightsStatus.PACKAGED
    url = target.entry.url if target.entry else None
    if url is None:
        return WeightsStatus.FILE_MISSING
    return WeightsStatus.CACHED if weights.find_cached(url) else WeightsStatus.DOWNLOADABLE


def _settings(given: PotentialSettings | str) -> PotentialSettings:
    return PotentialSettings(name=given) if isinstance(given, str) else given


def _identify(settings: PotentialSettings) -> _Target:
    """What the name stands for, with settings that fit it."""
    name = settings.name
    entry = find_entry(name)
    if entry is not None:
        target = _Target(entry.info, entry=entry, path=_expanded(settings.weights))
    elif is_factory_name(name):
        info = PotentialInfo(name, Family.ASE, settings.elements or (), notes="any ASE calculator")
        target = _Target(info, factory=name)
    elif name.endswith(".model") or Path(name).expanduser().is_file():
        target = _Target(PotentialInfo(name, Family.MACE), path=_expanded(Path(name)))
    else:
        raise unknown_name(name)
    _check_settings(settings, target)
    notes = target.info.notes
    if target.path is not None:
        notes = f"{notes}; weights from {target.path}".removeprefix("; ")
    return replace(target, info=replace(target.info, name=settings.label or target.info.name, notes=notes))


def _expanded(path: Path | None) -> Path | None:
    return path.expanduser().absolute() if path is not None else None


def _check_settings(settings: PotentialSettings, target: _Target) -> None:
    """Refuse settings the potential has no use for, rather than to ignore them."""
    facts = FAMILIES[target.family]
    subject = f"potential {settings.name!r}"
    if settings.dtype is not None and settings.dtype not in facts.dtypes:
        raise SettingsError(
            subject,
            f"cannot run in {settings.dtype}; {target.family} calculators give {' or '.join(facts.dtypes)}",
            f'Leave dtype out, or set dtype = "{facts.dtypes[0]}"',
        )
    unknown = sorted(set(settings.kwargs) - set(facts.options)) if facts.options != ("*",) else []
    if unknown:
        allowed = f"the options of {target.family} are {', '.join(facts.options) or 'none'}"
        raise SettingsError(subject, f"kwargs has {', '.join(unknown)}, but {allowed}", "Leave them out")
    if target.factory is None and settings.elements is not None:
        raise SettingsError(
            subject, "elements can be set for module:factory potentials only", "Leave elements out"
        )
    if target.factory is not None and (settings.weights or settings.sha256 or settings.device != "cpu"):
        raise SettingsError(
            subject,
            "weights, sha256 and device have no meaning for a module:factory",
            "Pass what the factory itself takes in kwargs",
        )
    if target.entry is None and settings.weights is not None:
        raise SettingsError(subject, "name and weights are both paths", "Leave weights out")


def _weight_file(target: _Target, pinned: str | None) -> WeightFile:
    path = target.path or _packaged_weights(target)
    if path is not None:
        return weights.local_weights(path, pinned)
    url = target.entry.url if target.entry is not None else None
    if url is None:
        facts = FAMILIES[target.family]
        raise MissingWeightsError(
            target.info.name,
            f"the installed {facts.distribution} carries no weights of it",
            f"Install the version softmode asks for: pip install 'softmode[{facts.extra}]'",
        )
    return weights.obtain(url, pinned, license_terms(target.info))


def _packaged_weights(target: _Target) -> Path | None:
    """Weights inside the family's package, found without importing it."""
    if target.entry is None or target.entry.packaged is None:
        return None
    spec = importlib.util.find_spec(FAMILIES[target.family].module)
    for directory in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(directory) / target.entry.packaged
        if path.is_file():
            return path
    return None


def _versions(family: Family) -> tuple[tuple[str, str], ...]:
    """The family's own package first, then torch."""
    names = (FAMILIES[family].distribution, "torch")
    return tuple((name, _version(name)) for name in names)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
