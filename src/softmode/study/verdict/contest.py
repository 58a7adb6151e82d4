"""Who leads by an error, on the materials that all potentials have, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from softmode.crystal.arrays import FloatArray
from softmode.potentials.leakage import SEEN
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.matrix_tests import holm
from softmode.statistics.paired import PairedComparison, compare_paired, median_by_order
from softmode.study.paired import ComparedError, errors_of, unstable_anywhere
from softmode.study.results import SEEN_COLUMN
from softmode.study.verdict.statement import FEWEST, LEVEL
from softmode.style import distinct


@dataclass(frozen=True, eq=False)
class Contest:
    """Potentials by an error on the same materials, the leader first.

    Parameters
    ----------
    error : ComparedError
        By which.
    order : tuple of str
        Potentials by the median of their errors, a failure being infinitely wrong.
    materials : tuple of str
        Those of which all of them are known.
    left_out : int
        Materials of which some are known, and not all.
    errors : (n_materials, n_potentials) array
        In these orders; infinite for a failure.
    medians : mapping of str to Estimate
        With the 95 % intervals of order statistics, where there are enough materials.
    pairs : mapping of str to PairedComparison
        Each of the others beside the leader, which is the first.
    p_values : mapping of str to float
        Of their sign tests, corrected for all that belong together: the leader has been picked from these.
    n_tests : int
        How many tests these are.
    seen : mapping of str to int
        Potentials that have seen the phonons of some of these materials in training, and of how many.
    unseen_tied : tuple of str
        Of the others those that are not to be told apart from the best of them.
    """

    error: ComparedError
    order: tuple[str, ...]
    materials: tuple[str, ...]
    left_out: int
    errors: FloatArray
    medians: Mapping[str, Estimate]
    pairs: Mapping[str, PairedComparison]
    p_values: Mapping[str, float]
    n_tests: int
    seen: Mapping[str, int]
    unseen_tied: tuple[str, ...]

    @property
    def n(self) -> int:
        """Materials."""
        return len(self.materials)

    @property
    def leader(self) -> str:
        """The potential with the smallest median."""
        return self.order[0]

    @property
    def first(self) -> tuple[str, ...]:
        """The leader and those whose median is exactly as small."""
        smallest = self.medians[self.leader].value
        return tuple(name for name in self.order if self.medians[name].value == smallest)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Potentials that have seen none of these materials, in order."""
        return tuple(name for name in self.order if name not in self.seen)

    def marked(self, name: str) -> str:
        """A potential's name, with † where it has seen phonons of some of these materials."""
        return f"{name}†" if name in self.seen else name

    @property
    def beaten(self) -> tuple[str, ...]:
        """Potentials that the leader is better than, beyond chance."""
        return tuple(name for name in self.pairs if self._sure(name) and self._mostly_worse(name))

    @property
    def better(self) -> tuple[str, ...]:
        """Potentials that are better than the leader on most materials, beyond chance."""
        return tuple(name for name in self.pairs if self._sure(name) and not self._mostly_worse(name))

    @property
    def tied(self) -> tuple[str, ...]:
        """Potentials that are not to be told apart from the leader."""
        return tuple(name for name in self.pairs if not self._sure(name))

    def _sure(self, name: str) -> bool:
        return self.n >= FEWEST and self.p_values[name] < LEVEL

    def _mostly_worse(self, name: str) -> bool:
        return self.pairs[name].worse > self.pairs[name].better

    def of(self, potential: str) -> FloatArray:
        """Errors of a potential, material by material."""
        return self.errors[:, self.order.index(potential)]


def contest(
    cells: pd.DataFrame, error: ComparedError, others: Sequence[float] | FloatArray = ()
) -> Contest | None:
    """Who leads by an error; None where nothing is known of it.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    error : ComparedError
        By which.
    others : sequence of float
        p-values of other tests that these are corrected for, too.
    """
    names, materials = pd.Index(distinct(cells["potential"])), pd.Index(distinct(cells["material"]))
    table = np.full((len(materials), len(names)), np.nan)
    places = materials.get_indexer(cells["material"]), names.get_indexer(cells["potential"])
    table[places] = errors_of(cells, error)
    if error.imaginary:
        table[~materials.isin(cells.loc[unstable_anywhere(cells), "material"])] = np.nan
    measured = ~np.isnan(table).all(axis=0)
    names, table = names[measured], table[:, measured]
    known = ~np.isnan(table).any(axis=1) & np.isfinite(table).any(axis=1)
    if not known.any():
        return None
    seen = seen_counts(cells[cells["material"].isin(materials[known])])
    of = {str(name): np.ascontiguousarray(values) for name, values in zip(names, table[known].T, strict=True)}
    medians = {name: median_by_order(values) for name, values in of.items()}
    order = sorted(of, key=lambda name: (medians[name].value, name in seen))
    tests = list(combinations(order, 2))
    found = {pair: compare_paired(*(of[name] for name in pair)) for pair in tests}
    p_values = [*(found[pair].p_value for pair in tests), *others]
    corrected = dict(zip(tests, holm(p_values)[: len(tests)], strict=True))
    beside = {pair[1]: pair for pair in tests if pair[0] == order[0]}
    unseen = [name for name in order if name not in seen]
    sure = known.sum() >= FEWEST
    return Contest(
        error=error,
        order=tuple(order),
        materials=tuple(map(str, materials[known])),
        left_out=int((~np.isnan(table)).any(axis=1).sum() - known.sum()),
        errors=np.column_stack([of[name] for name in order]),
        medians=medians,
        pairs={name: found[pair] for name, pair in beside.items()},
        p_values={name: float(np.nan_to_num(corrected[pair], nan=1.0)) for name, pair in beside.items()},
        n_tests=int(np.isfinite(p_values).sum()),
        seen={name: seen[name] for name in order if name in seen},
        unseen_tied=tuple(name for name in unseen[1:] if sure and not corrected[(unseen[0], name)] < LEVEL),
    )


def seen_counts(cells: pd.DataFrame) -> dict[str, int]:
    """Of how many materials potentials have seen the phonons in training, where of any."""
    if SEEN_COLUMN not in cells:
        return {}
    taught = cells[cells[SEEN_COLUMN].isin(SEEN)]
    counts = taught.groupby("potential", sort=False)["material"].nunique()
    return {str(name): int(n) for name, n in counts.items()}
