"""Two runs side by side: which of their results may be compared, and one study that holds these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from softmode.errors import SettingsError
from softmode.measurements.plan import yardsticks
from softmode.records import JoinedStores, digest_of
from softmode.study.folder import Case, Study
from softmode.study.materials import MaterialSummary
from softmode.study.settings import StudySettings
from softmode.study.verdict.statement import counted, listed, some
from softmode.style import distinct

#: Letters of a setting that a sentence has room for.
_SHORT = 20
#: Inputs of a record that name what it is made of, and how that is called.
_SOURCES = {"structure": "structure", "reference": "reference data", "trajectory": "reference trajectory"}


@dataclass(frozen=True)
class Pair:
    """A potential of the old run and one of the new, by their names side by side."""

    old: str
    new: str


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Two runs, as one study of what may be compared.

    Parameters
    ----------
    study : Study
        Cases of both; potentials bear the name of their run where both have one of that name.
    old, new : Study
        The runs.
    pairs : tuple of Pair
        What is compared with what.
    same : tuple of Pair
        Those of `pairs` that are one and the same potential.
    left_out : tuple of str
        What is not compared, and why: a sentence each.
    """

    study: Study
    old: Study
    new: Study
    pairs: tuple[Pair, ...]
    same: tuple[Pair, ...]
    left_out: tuple[str, ...]


def side_by_side(old: Study, new: Study, pairs: Sequence[str] = ()) -> SideBySide:
    """Two runs side by side: the results that have the same yardstick in both.

    Parameters
    ----------
    old, new : Study
        Reopened.
    pairs : sequence of str
        ``OLD=NEW``: labels of potentials; those of the same label, or the only ones, when not given.

    Raises
    ------
    SettingsError
        If no potentials can be paired, or nothing can be compared.
    """
    chosen = _pairs(old, new, pairs)
    common, left_out = _comparable(old, new)
    if not common:
        raise SettingsError(
            f"{old.folder} and {new.folder}",
            f"have nothing that may be compared ({' '.join(left_out).rstrip('.')})",
            "Compare runs of the same reference data and settings",
        )
    runs = _run_names(old, new)
    clash = {old_one for old_one, _ in chosen} & {new_one for _, new_one in chosen}
    names = tuple(
        {pair[side]: f"{pair[side]} ({runs[side]})" if pair[side] in clash else pair[side] for pair in chosen}
        for side in (0, 1)
    )
    shown = [Pair(names[0][first], names[1][second]) for first, second in chosen]
    cases = (*_cases(old, names[0], common), *_cases(new, names[1], common))
    digests = {case.label: case.facts.potential for case in cases}
    same = tuple(pair for pair in shown if digests.get(pair.old) == digests.get(pair.new))
    study = Study(
        folder=old.folder,
        settings=_settings((old, new), names, runs),
        cases=cases,
        store=JoinedStores((old.store, new.store)),
        of=(old, new),
    )
    return SideBySide(study, old, new, tuple(shown), same, tuple(left_out))


def _labels(study: Study) -> list[str]:
    return distinct(case.label for case in study.cases)


def _run_names(old: Study, new: Study) -> tuple[str, str]:
    """How the runs are called: by their folders, where these have different names."""
    names = old.folder.resolve().name, new.folder.resolve().name
    return names if names[0] != names[1] else ("old", "new")


def _pairs(old: Study, new: Study, given: Sequence[str]) -> list[tuple[str, str]]:
    """Labels of the potentials that are compared."""
    of_old, of_new = _labels(old), _labels(new)
    if given:
        return [_pair(text, of_old, of_new) for text in given]
    both = [label for label in of_old if label in of_new]
    if both:
        return [(label, label) for label in both]
    if len(of_old) == len(of_new) == 1:
        return [(of_old[0], of_new[0])]
    raise SettingsError(
        f"{old.folder} and {new.folder}",
        f"have no potential of the same name ({some(of_old, 5)}; {some(of_new, 5)})",
        "Say what to compare with what: --pair OLD=NEW",
    )


def _pair(text: str, of_old: Sequence[str], of_new: Sequence[str]) -> tuple[str, str]:
    parts = text.split("=")
    for at in range(1, len(parts)):
        first, second = "=".join(parts[:at]), "=".join(parts[at:])
        if first in of_old and second in of_new:
            return first, second
    raise SettingsError(
        f"--pair {text}",
        "does not name a potential of each run",
        f"Give OLD=NEW, of {listed(of_old, 'or')} and of {listed(of_new, 'or')}",
    )


def _comparable(old: Study, new: Study) -> tuple[dict[str, set[str]], list[str]]:
    """Measurements that may be compared by material, and sentences on what may not."""
    names = [name for name in old.settings.measurements if name in new.settings.measurements]
    of_old, of_new = ({case.material.name: case.material for case in study.cases} for study in (old, new))
    common: dict[str, set[str]] = {}
    why: dict[str, Counter[str]] = {name: Counter() for name in names}
    for material, first in of_old.items():
        second = of_new.get(material)
        if second is None:
            continue
        sides = [_yardsticks(names, *side) for side in ((old, first), (new, second))]
        for name in (each for each in sides[0] if each in sides[1]):
            if digest_of(sides[0][name]) == digest_of(sides[1][name]):
                common.setdefault(material, set()).add(name)
            elif name in why:
                why[name][_difference(name, *sides)] += 1
    return common, list(_left_out(old, new, of_old, of_new, why))


def _yardsticks(names: Sequence[str], study: Study, material: MaterialSummary) -> dict[str, dict[str, Any]]:
    return yardsticks(names, material.facts("", ""), study.settings.conditions)


def _difference(name: str, old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]]) -> str:
    """In what results differ besides the potential, or else what the measurement requires does."""
    one, other = old[name], new[name]
    differ = [use for use in {**one, **other} if one.get(use) != other.get(use)]
    own = [use for use in differ if use != "requires"]
    if not own:
        required = [each for each in one.get("requires", {}) if each in new and old[each] != new[each]]
        return _difference(required[0], old, new) if required else "what it requires"
    return listed(_SOURCES.get(use) or _values(use, one.get(use), other.get(use)) for use in own)


def _values(use: str, one: object, other: object) -> str:
    """A setting with both its values, where these are short."""
    short = all(isinstance(value, str | int | float) and len(str(value)) <= _SHORT for value in (one, other))
    return f"{use} ({one}, {other})" if short else use


def _left_out(
    old: Study,
    new: Study,
    of_old: Mapping[str, object],
    of_new: Mapping[str, object],
    why: Mapping[str, Counter[str]],
) -> Iterator[str]:
    runs = _run_names(old, new)
    for run, own, other in ((runs[0], of_old, of_new), (runs[1], of_new, of_old)):
        only = [name for name in own if name not in other]
        if only:
            yield f"{counted(len(only))} only in {run}: {some(only)}."
    sides = (old.settings.measurements, new.settings.measurements)
    for run, measured, others in ((runs[0], *sides), (runs[1], *sides[::-1])):
        only = [name for name in measured if name not in others]
        if only:
            yield f"Measured only in {run}: {listed(only)}."
    for name, reasons in why.items():
        for reason, n in reasons.items():
            yield f"{name} of {counted(n)} not compared: other {reason}."


def _cases(study: Study, names: Mapping[str, str], common: Mapping[str, set[str]]) -> Iterator[Case]:
    """Cases of the potentials named, under these names, with the measurements that may be compared."""
    for case in study.cases:
        if case.label in names and case.material.name in common:
            kept = common[case.material.name]
            inputs = {name: own for name, own in case.inputs.items() if name in kept}
            yield replace(case, label=names[case.label], inputs=inputs)


def _settings(
    sides: tuple[Study, Study], names: tuple[Mapping[str, str], ...], runs: tuple[str, str]
) -> StudySettings:
    """Settings of both as of one study: those of the old, with the potentials of both."""
    old, new = (study.settings for study in sides)
    potentials = {
        name: study.settings.potential(label).model_copy(update={"label": name})
        for study, own in zip(sides, names, strict=True)
        for label, name in own.items()
    }
    return old.model_copy(
        update={
            "name": _title(sides, runs),
            "potentials": tuple(potentials.values()),
            "measurements": tuple(name for name in old.measurements if name in new.measurements),
        }
    )


def _title(sides: tuple[Study, Study], runs: tuple[str, str]) -> str:
    old, new = sides
    if old.folder.resolve() == new.folder.resolve():
        return f"{old.settings.name}: potentials side by side"
    return f"{runs[1]} beside {runs[0]}"


def default_folder(old: Study) -> Path:
    """Where the page of a comparison goes."""
    return old.folder / "compared"
