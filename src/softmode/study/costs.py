"""What a cell costs, learned as cells are finished: so much a potential, so much more or less a material."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from softmode.study.folder import Case, Study

#: Frames that a trajectory is taken to have.
FRAMES = 1600
#: Calls that phonons are taken to need.
_DISPLACED = 20
_SWEEPS = 6  # of the fit, alternately of potentials and of materials
_MORE = 0.1  # of the cells known, after which it is worth to fit again


class Costs:
    """Estimates of how long cells take, in seconds once a few are known.

    A material that takes long with one potential does with the others: more displacements, larger supercells.
    So a cell is taken to cost what its potential takes for an atom in a call, times the atoms of the
    supercell, times about the calls it takes, times a factor of the material; what a potential takes, and the
    factor, are fitted to the cells that are finished.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}  # for an atom and a call, by potential and material
        self._known: set[str] = set()  # potentials
        self._loading: dict[str, float] = {}
        self._rates: dict[str, float] = {}
        self._factors: dict[str, float] = {}
        self._fitted = 0

    @property
    def n_known(self) -> int:
        """Cells that are finished; when there are some, estimates are seconds."""
        return len(self._seconds)

    def learn(self, case: Case, seconds: float, loading: float = 0.0) -> None:
        """Take account of a cell that is finished: so long it took, and its potential to be loaded before."""
        if loading > 0.0:
            self._loading[case.label] = loading
        if seconds > 0.0:
            self._seconds[case.label, case.material.name] = seconds / _work(case)
            self._known.add(case.label)

    def knows(self, label: str) -> bool:
        """Whether a cell of a potential is finished."""
        return label in self._known

    def number(self, label: str) -> int:
        """How many cells of a potential are finished."""
        return sum(potential == label for potential, _ in self._seconds)

    def loading(self, label: str) -> float:
        """Seconds that loading a potential takes; those of the others where it has not been loaded yet."""
        found = self._loading.get(label)
        return max(self._loading.values(), default=0.0) if found is None else found

    def rate(self, label: str) -> float:
        """Seconds that a potential takes for an atom and a call in a material like others."""
        self._fit()
        return self._rates.get(label) or self._mean_rate

    def estimate(self, case: Case) -> float:
        """About how long a cell takes; as long as nothing is known in proportion to calls and atoms."""
        if len(self._seconds) > (1.0 + _MORE) * self._fitted:
            self._fit()
        rate = self._rates.get(case.label) or self._mean_rate
        return rate * self._factors.get(case.material.name, 1.0) * _work(case)

    @property
    def _mean_rate(self) -> float:
        """Of a potential of which nothing is known."""
        return fmean(self._rates.values()) if self._rates else 1.0

    def _fit(self) -> None:
        self._fitted = len(self._seconds)
        self._factors = {}
        for _ in range(_SWEEPS):
            self._rates = self._ratios(0, self._factors)
            self._factors = self._ratios(1, self._rates)

    def _ratios(self, axis: int, others: dict[str, float]) -> dict[str, float]:
        """Seconds of each potential (axis 0) or material (1), for what the others would have them be."""
        found: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for key, seconds in self._seconds.items():
            of_one = found[key[axis]]
            of_one[0] += seconds
            of_one[1] += others.get(key[1 - axis], 1.0)
        return {name: seconds / expected for name, (seconds, expected) in found.items()}


def known_costs(study: Study, cases: Iterable[Case]) -> list[tuple[Case, float]]:
    """Cells that are finished, and how long their records took; without those that have failed."""
    found = (
        (case, {header.key: header for header in study.headers(case).values()}.values()) for case in cases
    )
    return [
        (case, sum(header.seconds for header in headers))
        for case, headers in found
        if all(header.ok for header in headers)
    ]


def _work(case: Case) -> float:
    """Atoms of the supercell, times about the calls of a case by those of phonons."""
    trajectory = case.inputs.get("trajectory_forces")
    frames = 0.0 if trajectory is None else FRAMES / trajectory.get("every", 1)
    return max(1, case.material.n_supercell_atoms) * (1.0 + frames / _DISPLACED)
