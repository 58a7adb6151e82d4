"""From settings to a potential: which one is meant, where its weights are, what determines its results."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from softmode.deadlines import ends_within
from softmode.errors import (
    CorruptWeightsError,
    MissingWeightsError,
    PotentialError,
    SettingsError,
    SoftmodeError,
)
from softmode.potentials import weights
from softmode.potentials.answers import check_answer, read_answer
from softmode.potentials.base import Potential, PotentialInfo
from softmode.potentials.environments import interpreter_for
from softmode.potentials.family import FOR_WEIGHTS, Entry, Family, KnownAnswer, Origin
from softmode.potentials.interpreters import Interpreter
from softmode.potentials.leakage import obtain_split
from softmode.potentials.modules import distribution_version, source_sha256
from softmode.potentials.registry import find, find_family, recognise
from softmode.potentials.settings import PotentialSettings
from softmode.potentials.trust import announce_code, refuse_other_names
from softmode.potentials.weights import WeightFile

log = logging.getLogger(__name__)


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
    """What a name stands for, with settings that fit it."""

    family: Family
    info: PotentialInfo
    name: str
    entry: Entry | None = None
    path: Path | None = None
    python: str | None = None

    @cached_property
    def interpreter(self) -> Interpreter | None:
        """What it runs with; None for the one that runs this."""
        return interpreter_for(self.family.name, self.python)


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
    origin : Origin
        Where its code comes from.
    known_as : str
        Its name without the freedom of spelling.
    weights_path : Path or None
        Its weight file.
    weights_sha256 : str or None
        SHA-256 of that file.
    answer : KnownAnswer or None
        What it must reproduce before it is used; None for weights of a user's own.
    interpreter : Interpreter or None
        What it runs with, in a process of its own; None when it runs in this one.
    """

    info: PotentialInfo
    settings: PotentialSettings
    dtype: str
    origin: Origin
    known_as: str
    weights_path: Path | None = None
    weights_sha256: str | None = None
    answer: KnownAnswer | None = None
    interpreter: Interpreter | None = None

    @property
    def family(self) -> Family:
        """Family of the potential."""
        return find_family(self.info.family)

    @property
    def versions(self) -> tuple[tuple[str, str], ...]:
        """Python packages it depends on, and their versions."""
        return self.origin.versions

    @property
    def source_sha256(self) -> str | None:
        """SHA-256 of the module of a potential of the user's own."""
        return self.origin.source_sha256

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that determines the results.

        Weights count by content, so that names, labels and paths of the same weights share a digest;
        the version of torch is recorded in `versions` but does not count.
        """
        options = self.family.options
        without_effect = options.without_effect_on_results if options is not None else frozenset()
        elements = self.settings.elements
        content = {
            "family": self.info.family,
            "factory": self.known_as if self.weights_sha256 is None else None,
            "kwargs": {
                key: value for key, value in self.settings.kwargs.items() if key not in without_effect
            },
            "weights": self.weights_sha256,
            "dtype": self.dtype,
            "device": self.settings.device.partition(":")[0],
            "package": self.versions[0],
            "revision": self.family.revision,
            "source": self.source_sha256,
            "elements": sorted(elements) if elements is not None else None,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def load(self) -> Potential:
        """Load the model.

        Raises
        ------
        SoftmodeError
            If the package, the device or the weights cannot be used, the weights have changed since they
            were resolved, or the known answer is not reproduced (:mod:`softmode.potentials.answers`).
        """
        self.family.require(self.info.name, self.interpreter)
        if self.interpreter is not None:  # who keeps to the time limit by itself
            check_answer(self, self._load)
            return self._load()
        with ends_within(self.settings.time_limit), np.errstate():
            check_answer(self, self._load)
            potential = self._load()
        potential.time_limit = self.settings.time_limit
        return potential

    def _load(self) -> Potential:
        family = self.family
        if self.interpreter is not None:
            from softmode.potentials.remote import RemotePotential

            return RemotePotential(self)
        try:
            return family.load(self)
        except SoftmodeError:
            raise
        except Exception as error:
            raise PotentialError(
                self.info.name,
                f"loading it fails with {type(error).__name__}: {error}",
                f"Check its settings, and the package that provides {family.name}",
            ) from error

    def weights(self) -> Path:
        """The weight file, unchanged since it was resolved.

        Raises
        ------
        MissingWeightsError, CorruptWeightsError
            If it is not there, or is another one now.
        """
        path = self.weights_path
        if path is None:
            raise MissingWeightsError(self.info.name, "was resolved without weights", "Resolve it again")
        if weights.weights_sha256(path, self.family.files) != self.weights_sha256:
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
    family, interpreter = target.family, target.interpreter
    if interpreter is not None:
        interpreter.require(target.info.name)
    family.require(target.info.name, interpreter)
    found = _weight_file(target, settings.sha256) if family.has_weights else None
    origin = _origin(target)
    if not settings.trust:
        packaged = _packaged_weights(target) is not None
        own = target.path is not None or (weights.mirrored_without_proof() and not packaged)
        vouched = settings.sha256 is not None or (found is not None and found.sha256 == _published(target))
        announce_code(
            family,
            settings.name,
            weights=found.path if found is not None and own and not vouched else None,
            module=found is None and origin.source_sha256 is not None,
        )
    return ResolvedPotential(
        target.info,
        settings,
        settings.dtype or family.dtypes[0],
        origin,
        target.name,
        found.path if found is not None else None,
        found.sha256 if found is not None else None,
        _answer(target, settings, found),
        interpreter,
    )


def weights_status(settings: PotentialSettings | str) -> WeightsStatus:
    """Whether the weights of a potential are on this machine; nothing is read, no network is asked."""
    target = _identify(_settings(settings))
    if not target.family.is_installed(target.interpreter):
        return WeightsStatus.NOT_INSTALLED
    if not target.family.has_weights:
        return WeightsStatus.NOT_NEEDED
    if target.path is not None:
        parts = [target.path / name for name in target.family.files] or [target.path]
        return WeightsStatus.FILE if all(part.is_file() for part in parts) else WeightsStatus.FILE_MISSING
    if _packaged_weights(target) is not None:
        return WeightsStatus.PACKAGED
    if target.entry is None or target.entry.url is None:
        return WeightsStatus.FILE_MISSING
    cached = weights.find_weights(target.entry)
    return WeightsStatus.CACHED if cached is not None else WeightsStatus.DOWNLOADABLE


def _settings(given: PotentialSettings | str) -> PotentialSettings:
    return PotentialSettings(name=given) if isinstance(given, str) else given


def _identify(settings: PotentialSettings) -> _Target:
    """What the name stands for, with settings that fit it."""
    name = settings.name
    found = find(name)
    if found is not None:
        family, entry = found
        target = _Target(
            family, entry.info(family.name), entry.name, entry, _expanded(settings.weights), settings.python
        )
    else:
        family = recognise(name)
        path = _expanded(Path(name)) if family.has_weights else None
        info = PotentialInfo(name, family.name, settings.elements or (), notes=family.notes)
        target = _Target(family, info, name, path=path, python=settings.python)
    _check_settings(settings, target)
    notes = target.info.notes
    if target.path is not None:
        notes = f"{notes}; weights from {target.path}".removeprefix("; ")
    level = settings.level_of_theory or target.info.level_of_theory
    named = replace(target.info, name=settings.label or target.info.name, notes=notes, level_of_theory=level)
    return replace(target, info=named)


def _expanded(path: Path | None) -> Path | None:
    return path.expanduser().absolute() if path is not None else None


def _check_settings(settings: PotentialSettings, target: _Target) -> None:
    """Refuse settings the potential has no use for, rather than to ignore them."""
    family, subject = target.family, f"potential {settings.name!r}"
    if settings.dtype is not None and settings.dtype not in family.dtypes:
        raise SettingsError(
            subject,
            f"cannot run in {settings.dtype}; {family.name} calculators give {' or '.join(family.dtypes)}",
            f'Leave dtype out, or set dtype = "{family.dtypes[0]}"',
        )
    changed = settings.model_dump(exclude_defaults=True)
    useless = [key for key in (*FOR_WEIGHTS, "elements") if key in changed and key not in family.settings]
    if useless:
        raise SettingsError(
            subject,
            f"{' and '.join(useless)} can be set for other families only; "
            f"for {family.name} {'it has' if len(useless) == 1 else 'they have'} no meaning",
            "Leave it out; what the potential itself takes goes into kwargs",
        )
    if target.entry is None and settings.weights is not None:
        raise SettingsError(subject, "name and weights are both paths", "Leave weights out")
    _check_options(settings, family, subject)


def _check_options(settings: PotentialSettings, family: Family, subject: str) -> None:
    if family.options is None:
        return
    try:
        family.options.model_validate(settings.kwargs)
    except ValidationError as error:
        names = ", ".join(family.options.model_fields) or "none"
        unknown = [str(item["loc"][0]) for item in error.errors() if item["type"] == "extra_forbidden"]
        if unknown:
            problem = f"kwargs has {', '.join(sorted(unknown))}, but the options of {family.name} are {names}"
            raise SettingsError(subject, problem, "Leave them out") from error
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            subject, f"the option {option} is {first['input']!r}: {first['msg']}", "Correct kwargs"
        ) from error


def _weight_file(target: _Target, pinned: str | None) -> WeightFile:
    entry, family, package = target.entry, target.family, target.family.package
    path = target.path or _packaged_weights(target)
    if target.path is not None:
        refuse_other_names(target.path, family)
    if path is not None:
        return weights.local_weights(path, pinned, family.files)
    if entry is None or entry.url is None:
        name = package.distribution if package else family.name
        raise MissingWeightsError(
            target.info.name,
            f"the installed {name} carries no weights of it",
            f"Install the version softmode asks for: {family.how_to_install(target.interpreter)}"
            if package
            else "Give weights",
        )
    comes_now = weights.find_weights(entry) is None
    if entry.files:
        found = weights.obtain_folder(entry.url, entry.files, entry.terms, entry.stored_as)
    else:
        found = weights.obtain(entry.url, pinned or entry.sha256, entry.terms, entry.stored_as)
    weights.check_pin(target.info.name, found.sha256, pinned)
    if comes_now and entry.split is not None and (problem := obtain_split(entry.split)):
        log.warning("which phonons %s was trained on stays unknown: %s", entry.name, problem)
    return found


def _answer(target: _Target, settings: PotentialSettings, found: WeightFile | None) -> KnownAnswer | None:
    """What settings ask for, else that of an entry; None where weights or options are the user's own."""
    if settings.answer is not None:
        return read_answer(settings.answer.expanduser())
    entry = target.entry
    if entry is None or settings.kwargs:
        return None
    published = _published(target)
    own = target.path is not None if published is None or found is None else found.sha256 != published
    return None if own else entry.answer


def _published(target: _Target) -> str | None:
    """SHA-256 of the weights of the catalogue, where it is known."""
    entry = target.entry
    if entry is None:
        return None
    return weights.listing_sha256(entry.files) if entry.files else entry.sha256


def _packaged_weights(target: _Target) -> Path | None:
    """Weights inside the family's package."""
    if target.entry is None or target.entry.packaged is None or target.family.package is None:
        return None
    return target.family.package.carried(target.entry.packaged, target.interpreter)


def _origin(target: _Target) -> Origin:
    """The family's package, with what else is recorded; of a plugin that is not installed also its source."""
    family, interpreter = target.family, target.interpreter
    if family.origin is not None:
        return family.origin(target.name, interpreter)
    module = family.load.__module__
    own = module.partition(".")[0] == __name__.partition(".")[0]
    package = family.package
    names = (package.distribution, *package.beside) if package else (module.partition(".")[0],)
    versions = tuple((name, distribution_version(name, interpreter)) for name in names)
    return Origin(versions, None if own else source_sha256(module, interpreter=interpreter))
