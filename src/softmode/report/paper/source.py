"""What the panels are made from, collected once from a study."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import pandas as pd

from softmode.errors import InputDataError
from softmode.panel import RecordLink
from softmode.potentials.registry import find_entry
from softmode.potentials.settings import PotentialSettings
from softmode.published import PublishedModel, published_models
from softmode.records import Record
from softmode.structures.formulas import parse_formula
from softmode.study.folder import Study
from softmode.study.results import SEEN_COLUMN, cell_table, done

_IDENTITY = ("material", "formula", "group", "potential", SEEN_COLUMN)

#: The model that the paper shows where it shows one.
MAIN_MODEL = "omat-0-medium"


@dataclass(frozen=True)
class PotentialInRun:
    """A potential of the run, and which model of the paper it stands for.

    Parameters
    ----------
    label : str
        Its name in the run.
    settings : PotentialSettings
        What the study file says of it.
    digest : str
        SHA-256 of all that determines its results: weights, precision, package; empty when unknown.
    paper_name : str
        The paper's name of the model; empty when it is none of the paper's.
    by_label_only : bool
        Whether only the label says so: `settings.name` is not a name of the catalogue.
    """

    label: str
    settings: PotentialSettings
    digest: str
    paper_name: str = ""
    by_label_only: bool = False


@dataclass(frozen=True, eq=False)
class PaperData:
    """All that the panels need.

    Parameters
    ----------
    study : Study
        Where it comes from.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`, potentials in the order of `potentials`.
    models : tuple of PublishedModel
        Table 1 of the paper.
    potentials : tuple of PotentialInRun
        Those of the run: the paper's first, in the order of its Table 1.
    links : mapping of (material, potential, measurement) to RecordLink
        Of every record there is.
    """

    study: Study
    cells: pd.DataFrame
    models: tuple[PublishedModel, ...]
    potentials: tuple[PotentialInRun, ...]
    links: Mapping[tuple[str, str, str], RecordLink]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the run's potentials: the paper's first, in the order of its Table 1."""
        return tuple(potential.label for potential in self.potentials)

    @property
    def paper_labels(self) -> dict[str, str]:
        """Label in the run of each of the paper's models that it holds, by the paper's name."""
        found: dict[str, str] = {}
        for potential in self.potentials:
            if potential.paper_name:
                found.setdefault(potential.paper_name, potential.label)
        return found

    @property
    def absent_models(self) -> tuple[str, ...]:
        """The paper's models that the run does not hold."""
        return tuple(model.name for model in self.models if model.name not in self.paper_labels)

    @property
    def main_label(self) -> str:
        """Label of :data:`MAIN_MODEL`; of the first potential where the run does not hold it."""
        return self.paper_labels.get(MAIN_MODEL, self.labels[0])

    @property
    def has_main_model(self) -> bool:
        """Whether the run holds :data:`MAIN_MODEL`."""
        return MAIN_MODEL in self.paper_labels

    def shown_as(self, label: str) -> str:
        """Label for figures and tables, marked where the potential is none of the paper's."""
        ours = next(potential for potential in self.potentials if potential.label == label)
        return label if ours.paper_name else f"{label} (not the paper's)"

    def formula(self, material: str) -> str:
        """Formula of a material."""
        return str(self.cells.loc[self.cells["material"] == material, "formula"].iloc[0])

    def materials_of(self, formula: str) -> list[str]:
        """Materials of the run with the composition of a formula, its elements in any order."""
        return self._by_composition.get(_composition(formula), [])

    def material_of(self, formula: str) -> str | None:
        """The first of them; None when the run does not hold it."""
        return next(iter(self.materials_of(formula)), None)

    @cached_property
    def _by_composition(self) -> dict[Hashable, list[str]]:
        found: dict[Hashable, list[str]] = {}
        pairs = self.cells[["material", "formula"]].drop_duplicates()
        for material, formula in zip(pairs["material"], pairs["formula"], strict=True):
            found.setdefault(_composition(str(formula)), []).append(str(material))
        return found

    def rows(self, potential: str, measurement: str, group: str | None = None) -> pd.DataFrame:
        """Rows of a potential in which a measurement has a result, of all groups or one (``F``, ``Cl`` …)."""
        of_potential = done(self.cells[self.cells["potential"] == potential], measurement)
        return of_potential if group is None else of_potential[of_potential["group"] == group]

    def link(self, material: str, potential: str, measurement: str) -> RecordLink | None:
        """Where a number came from; None when there is no such record."""
        return self.links.get((material, potential, measurement))

    def record(self, material: str, potential: str, measurement: str) -> Record | None:
        """Record with its arrays, read now; None when there is none, or when it is a failure."""
        return self.study.result(material, potential, measurement)

    def with_records(
        self,
        rows: pd.DataFrame,
        measurement: str,
        columns: Sequence[str],
        others: Mapping[str, str] = MappingProxyType({}),
    ) -> pd.DataFrame:
        """List for a CSV file: identity, some columns, and the records each row came from.

        Parameters
        ----------
        rows : pandas.DataFrame
            Of `cells`, or of a table with its ``material`` and ``potential``.
        measurement : str
            Whose records.
        columns : sequence of str
            Columns kept besides ``material, formula, group, potential, phonons_seen``, as far as there are
            such.
        others : mapping of str to str
            Further measurements that numbers of a row come from, by the prefix of their two columns.

        Returns
        -------
        pandas.DataFrame
            With ``record`` (file, relative to the study's folder) and ``digest``, empty where there is none.
        """
        kept = [name for name in (*_IDENTITY, *columns) if name in rows]
        listed = rows[kept]
        for prefix, source in {"": measurement, **others}.items():
            found = [
                self.link(material, potential, source)
                for material, potential in zip(rows["material"], rows["potential"], strict=True)
            ]
            files = ["" if link is None else link.file for link in found]
            digests = ["" if link is None else link.digest for link in found]
            listed = listed.assign(**{f"{prefix}record": files, f"{prefix}digest": digests})
        return listed


def _composition(formula: str) -> Hashable:
    """Elements with their numbers; the text itself where it is no formula."""
    try:
        return frozenset(parse_formula(formula).items())
    except InputDataError:
        return formula


def collect_paper(study: Study, cells: pd.DataFrame | None = None) -> PaperData:
    """Read what the panels need; arrays of records are read later, where they are drawn.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame, optional
        Its table, from :func:`softmode.study.results.cell_table`, where it is known already.
    """
    cells = cell_table(study) if cells is None else cells
    models = published_models()
    potentials = _potentials(study, tuple(model.name for model in models))
    order = {potential.label: place for place, potential in enumerate(potentials)}
    ordered = cells.sort_values("potential", key=lambda column: column.map(order), kind="stable")
    return PaperData(study, ordered.reset_index(drop=True), models, potentials, _links(study))


def _potentials(study: Study, paper: tuple[str, ...]) -> tuple[PotentialInRun, ...]:
    digests = {case.label: case.facts.potential for case in study.cases}
    found = []
    for settings in study.settings.potentials:
        label = settings.label or settings.name
        entry = find_entry(settings.name)
        name = entry.name if entry is not None else label
        found.append(
            PotentialInRun(
                label=label,
                settings=settings,
                digest=digests.get(label, ""),
                paper_name=name if name in paper else "",
                by_label_only=entry is None,
            )
        )
    return tuple(
        sorted(found, key=lambda item: paper.index(item.paper_name) if item.paper_name else len(paper))
    )


def _links(study: Study) -> dict[tuple[str, str, str], RecordLink]:
    return {
        (case.material.name, case.label, measurement): study.link(case.material.name, case.label, measurement)
        for case in study.cases
        for measurement, key in case.keys.items()
        if key in study.store
    }
