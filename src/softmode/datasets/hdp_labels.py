"""What the database of the halide double perovskites says of each compound: σ and formation energy.

The ASE database is read as the SQLite file it is: rows hold structures that are not needed here.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

#: Key-value pairs taken from the database. σ without unit, the formation energy in eV (an atom).
LABELS = ("sigma_300K_single", "sigma_mode_averaged_300K", "formation_energy")

_QUERY = """
    SELECT uids.id, uids.value, numbers.key, numbers.value
    FROM text_key_values AS uids
    LEFT JOIN number_key_values AS numbers
        ON numbers.id = uids.id AND numbers.key IN ({})
    WHERE uids.key = 'uid'
    ORDER BY uids.id
"""


@dataclass(frozen=True)
class LabelTable:
    """Labels of compounds.

    Parameters
    ----------
    values : mapping of str to dict
        Labels by uid; those that are absent, or not finite, are left out.
    problems : mapping of str to str
        What is wrong with the rows of a uid.
    general : str
        Why there are no labels at all; empty when there are.
    """

    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    general: str = ""

    def tags(self, uid: str) -> dict[str, str]:
        """Labels of a compound as tags of a material, exact; what is wrong with them as ``problems``."""
        labels = self.values.get(uid)
        missing = "it has no row in the database" if labels is None else ""
        problem = self.general or self.problems.get(uid, missing)
        tags = {name: repr(value) for name, value in (labels or {}).items()}
        return tags | ({"problems": problem} if problem else {})


def read_labels(path: Path | None) -> LabelTable:
    """Labels from ``double_halide_pv.db``.

    Labels are not needed to read a compound: what is wrong with them is said, and nothing raised. Two rows
    of one uid that say the same count once; where they do not, neither is believed.

    Parameters
    ----------
    path : Path or None
        The ASE SQLite database; None when there is none.
    """
    if path is None:
        return LabelTable(general="double_halide_pv.db is missing: there are no labels")
    query = _QUERY.format(", ".join("?" * len(LABELS)))
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(query, LABELS).fetchall()
    except sqlite3.Error as error:
        return LabelTable(general=f"{path} is no readable ASE database ({error}): there are no labels")
    if not rows:
        return LabelTable(general=f"{path} holds no rows with a uid: there are no labels")
    by_row: dict[tuple[str, int], dict[str, float]] = {}
    for number, uid, key, value in rows:
        labels = by_row.setdefault((str(uid), int(number)), {})
        if key is not None and isinstance(value, (int, float)) and math.isfinite(value):
            labels[str(key)] = float(value)
    return _by_uid(by_row)


def _by_uid(by_row: Mapping[tuple[str, int], dict[str, float]]) -> LabelTable:
    values: dict[str, dict[str, float]] = {}
    problems: dict[str, str] = {}
    for (uid, _), labels in by_row.items():
        if uid in values and values[uid] != labels:
            problems[uid] = "several rows of the database bear its uid and differ: none is used"
        elif uid in values:
            problems.setdefault(uid, "several equal rows of the database bear its uid")
        values.setdefault(uid, labels)
    for uid, problem in problems.items():
        if "differ" in problem:
            values[uid] = {}
    for uid, labels in values.items():
        absent = [name for name in LABELS if name not in labels]
        if absent and uid not in problems:
            problems[uid] = f"its row of the database has no {', '.join(absent)}"
    return LabelTable(values, problems)
