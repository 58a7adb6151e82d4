"""How far the molecular dynamics of a study is, seen from the pieces its workers have stored so far."""

from __future__ import annotations

from softmode.measurements.md import DynamicsSettings
from softmode.records import digest_of
from softmode.study.folder import Study


class DynamicsProgress:
    """Steps of dynamics that a study still lacked when this was made, and how many are made by now.

    Parameters
    ----------
    study : Study
        About to run.
    """

    def __init__(self, study: Study) -> None:
        self._store = study.store
        settings = study.settings.conditions.of(DynamicsSettings)
        self._steps_of_cell = settings.replicas * settings.steps
        self._steps_of_piece = settings.checkpoint_every
        keys = {
            digest_of(case.inputs["md"])
            for case in study.cases
            if "md" in case.inputs and case.failure is None and not study.settled(case)
        }
        self._keys = [key for key in sorted(keys) if not study.store.settled(key)]

    @property
    def total(self) -> int:
        """Steps of all runs that are missing or unfinished."""
        return self._steps_of_cell * len(self._keys)

    def made(self) -> int:
        """Steps stored so far; a run that ended early, or failed, counts as whole."""
        return sum(self._made(key) for key in self._keys)

    def _made(self, key: str) -> int:
        if key in self._store:
            return self._steps_of_cell
        pieces = self._store.partial(key).folder.glob("replica_*/piece_*.h5")
        return min(self._steps_of_cell, self._steps_of_piece * sum(1 for _ in pieces))
