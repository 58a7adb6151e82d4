"""What a study's numbers rest on: failures, the reference, functionals, and what its size allows to say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from softmode.datasets.catalog import dataset_kind
from softmode.errors import SettingsError
from softmode.measurements.functionals import functional
from softmode.records import LACKED_MEMORY
from softmode.study.folder import Study
from softmode.study.results import FAILED, OK, PENDING, numbers_in
from softmode.study.verdict.leads import called
from softmode.study.verdict.statement import FEWEST, Statement, counted, listed, some
from softmode.style import distinct, group_name, order_groups

_LONGEST = 160
#: What was done to the structure, by the protocol.
_LATTICES = {
    "reference": "Both sides at the lattice of the reference",
    "relaxed": "Each potential at the lattice it relaxes to itself",
    "both": "Both sides at the lattice of the reference, and once more {}",
}
_YOURS = "yours"
#: Potentials that a sentence lists where "the others" says as much.
_LISTED = 4


def of_failures(cells: pd.DataFrame) -> Iterator[Statement]:
    """How many cells failed, by reason, and how many are not computed yet.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    names = called(cells)
    failed = cells[cells["state"] == FAILED]
    if len(failed):
        said = []
        for kind, rows in failed.groupby(failed["failure_kind"].fillna("unknown"), sort=False):
            first = _shortened(str(rows["failure"].iloc[0]))
            whose = some(
                [
                    f"{name} on {some([names[each] for each in own])}"
                    for name, own in rows.groupby("potential", sort=False)["material"]
                ],
                2,
            )
            blame = "not counted against the potential, " if kind == LACKED_MEMORY else ""
            said.append(f"{len(rows)} × {_spelt(str(kind))}, {blame}{whose} (“{first}”)")
        of = counted(len(cells), "cell")
        whole = f"All {of} failed" if len(failed) == len(cells) else f"{len(failed)} of {of} failed"
        text = f"{whole}: {'; '.join(said)}."
        yield Statement("failures", text, materials=tuple(distinct(failed["material"])), panel="failures")
    pending = cells[cells["state"] == PENDING]
    if len(pending):
        text = f"{counted(len(pending), 'cell')} of {len(cells):,} not computed yet: `softmode run` goes on."
        yield Statement("sample", text, materials=tuple(distinct(pending["material"])))


def _spelt(kind: str) -> str:
    """``InputDataError``: input data error."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()


def _shortened(message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]} …"


def of_reference(study: Study, cells: pd.DataFrame) -> Iterator[Statement]:
    """What the reference is, whose it is, and what of a difference may be that of functionals.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        Its table.
    """
    dataset = study.settings.dataset
    materials = [case.material for case in study.cases]
    levels = distinct(level for one in materials if (level := one.tags.get("level_of_theory", "")))
    with_data = any(one.reference for one in materials)
    try:
        kind = dataset_kind(dataset.kind)
        source, citation, licence = kind.title, kind.citation, kind.licence
    except SettingsError:  # of a package that is not installed here
        source, citation, licence = f"dataset {dataset.kind}", "", ""
    if not with_data:
        text = "No reference data: what is measured is what potentials say alone"
        labels = study.settings.labels
        text += f", beside the labels of {labels.path.name}." if labels is not None else "."
        yield Statement("reference", text)
        return
    theory = listed(levels) if levels and levels != ["unknown"] else "level of theory not known"
    owned = "your own data" if licence == _YOURS else "; ".join([citation, f"licence {licence}"]).strip("; ")
    text = f"Reference: {source}; {theory}." + (f" From {owned}." if owned else "")
    if "harmonic_state" in cells:
        text += f" {_LATTICES[study.settings.conditions.protocol.structure].format(_relaxed(cells))}."
        nac = "No" if study.settings.conditions.protocol.nac == "off" else "The reference's"
        text += f" {nac} non-analytical correction on {'either side' if nac == 'No' else 'both sides'}."
    yield Statement("reference", text)
    yield from _functionals(cells)


def _relaxed(cells: pd.DataFrame) -> str:
    """Which potentials were measured at a lattice of their own, too."""
    n = cells["potential"].nunique()
    asked = cells.loc[cells["lattice_state"] != "", "potential"].nunique() if "lattice_state" in cells else n
    return "each potential at its own" if asked == n else f"{asked} of {n} potentials at their own"


def _functionals(cells: pd.DataFrame) -> Iterator[Statement]:
    """Where the reference's functional and that of the training data differ."""
    columns = ["potential", "level_of_theory_reference", "level_of_theory_potential"]
    if "functionals_differ" not in cells:
        return
    rows = cells[["functionals_differ", *columns]].dropna(subset=columns).drop_duplicates()
    differ = rows[numbers_in(rows, "functionals_differ") == 1.0]
    said = []
    for reference, own in differ.groupby(differ["level_of_theory_reference"].map(functional), sort=False):
        by_training = dict(list(own.groupby("level_of_theory_potential", sort=False)["potential"]))
        levels = sorted(by_training, key=lambda level: len(by_training[level]))
        trained = [f"{listed(distinct(by_training[level]))} on {level}" for level in levels]
        if len(set(by_training[levels[-1]])) > _LISTED:
            others = "the others" if len(levels) > 1 else "all potentials"
            trained[-1] = f"{others} on {levels[-1]}"
        said.append(f"reference {reference}; trained: {', '.join(trained)}")
    if said:
        text = f"Functionals differ, and part of the errors is theirs: {'; '.join(said)}."
        yield Statement("functional", text)
    unknown = rows[rows["functionals_differ"].isna()]
    if len(unknown):
        of = [
            name
            for name in ("reference", "potential")
            if not unknown[f"level_of_theory_{name}"].map(functional).all()
        ]
        who = {"reference": "the reference", "potential": some(distinct(unknown["potential"]))}
        whose = listed(who[name] for name in of)
        text = f"Functional of {whose} not known: part of the errors may be that of functionals."
        yield Statement("functional", text)


def of_sample(cells: pd.DataFrame) -> Iterator[Statement]:
    """How many materials of which groups, and what so many allow to say.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    rows = cells.drop_duplicates("material")
    n, n_potentials = len(rows), cells["potential"].nunique()
    finished = cells.loc[cells["state"] == OK, "material"].nunique()
    groups = order_groups(rows["group"])
    sizes = {group: int((rows["group"] == group).sum()) for group in groups}
    counts = [f"{n_own} {_kind(group, n_own)}" for group, n_own in sizes.items()]
    of = f" ({listed(counts)})" if 1 < len(groups) <= 6 else ""
    text = f"{counted(n)}{of}, {counted(n_potentials, 'potential')}."
    if finished == 0:
        text += " None has a result."
    elif finished < FEWEST:
        if n_potentials > 1:
            ranks = "One crystal ranks" if finished == 1 else f"{finished} crystals rank"
            text += f" {ranks} no potentials; `softmode leaderboard` has a ranking over many."
        elif finished > 1:
            text += f" {finished} carry no interval over materials."
    else:
        small = [group_name(group) for group, n_own in sizes.items() if n_own < FEWEST]
        if len(groups) > 1 and small:
            text += f" Groups of fewer than {FEWEST} carry no test: {listed(small)}."
        text += (
            " Intervals: 95 %, by order statistics over these materials; of other chemistry they say nothing."
        )
    yield Statement("sample", text)


def _kind(group: str, n: int) -> str:
    """``2 chlorides``, ``1 chloride``."""
    name = group_name(group)
    return name.removesuffix("s") if n == 1 and name.endswith("ides") else name
