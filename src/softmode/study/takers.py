"""Which workers of a cluster take which potentials, by its settings and by what they say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from softmode.cluster.messages import Missing, Place
from softmode.cluster.pool import Pool
from softmode.errors import MissingDependencyError
from softmode.records import Failure


class Takers:
    """What is known of who can compute what.

    Parameters
    ----------
    pool : Pool
        The workers.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._able: Counter[tuple[str, str]] = Counter()  # workers that are there, by pool and potential
        self._here: dict[int, list[tuple[str, str]]] = {}  # worker, what it is able to
        self._lacking: dict[tuple[str, str], tuple[str, Missing]] = {}  # on which host, and what
        self._given_up: set[str] = set()

    def met(self, lane: int, place: Place, lacks: Mapping[str, Missing], labels: Collection[str]) -> None:
        """Take account of what a worker says of itself, once."""
        if lane in self._here:
            return
        self._here[lane] = [(place.pool, label) for label in labels if label not in lacks]
        self._able.update(self._here[lane])
        for label in lacks.keys() & set(labels):
            self._lacking.setdefault((place.pool, label), (place.host, lacks[label]))

    def gone(self, lane: int) -> None:
        """A worker is there no more.

        Where no other is left that can compute a potential, nothing is known of it any more: whoever comes in
        its place may, or may not.
        """
        for one in self._here.pop(lane, ()):
            self._able[one] -= 1
            if not self._able[one]:
                del self._able[one]
                self._lacking.pop(one, None)

    def takes(self, place: Place, lacks: Mapping[str, Missing], label: str) -> bool:
        """Whether a worker is to be given a potential."""
        return (
            label not in lacks and label not in self._given_up and self._pool.pools[place.pool].takes(label)
        )

    def wanted(self, left: Mapping[str, int]) -> Counter[str]:
        """How many workers of each kind have something to do, for so many cells left of each potential."""
        return Counter(
            {
                name: min(one.slots, sum(n for label, n in left.items() if self._hopeful(name, label)))
                for name, one in self._pool.pools.items()
            }
        )

    def nobody(self, label: str, left: Collection[str]) -> Failure | None:
        """Why no worker can compute a potential; None while one may.

        As long as others of the potentials `left` are being computed, workers are waited for that have not
        reported yet: their hosts may be other ones.
        """
        pools = [name for name, one in self._pool.pools.items() if one.takes(label)]
        if any(self._hopeful(name, label) for name in pools):
            return None
        others = any(self._hopeful(name, other) for other in left for name in self._pool.pools)
        if others and any(self._pool.expected(name) for name in pools if name not in self._pool.broken):
            return None
        self._given_up.add(label)
        said, remedies = [], []
        for name in pools:
            named = f" (pool {name})" if len(self._pool.pools) > 1 else ""
            if name in self._pool.broken:
                error = self._pool.broken[name]
                problem, remedy = f"{error.problem}{named}", error.remedy
            else:
                host, (problem, remedy) = self._lacking[name, label]
                problem = f"on {host}{named} {problem}"
            said.append(problem)
            remedies.append(remedy)
        reason = f"no worker of the cluster can run it: {'; '.join(said)}"
        return Failure.from_error(
            MissingDependencyError(label, reason, "; or: ".join(dict.fromkeys(remedies)))
        )

    def _hopeful(self, name: str, label: str) -> bool:
        """Whether workers of a kind may compute a potential, by what is known now."""
        if not self._pool.pools[name].takes(label) or name in self._pool.broken or label in self._given_up:
            return False
        return (name, label) in self._able or (name, label) not in self._lacking
