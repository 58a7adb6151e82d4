"""What is tabulated of the elements (``data/elements.csv``): electronegativities, charges and radii of ions.

Electronegativities: L. Pauling, The Nature of the Chemical Bond (1960), revised by A. L. Allred, J. Inorg.
Nucl. Chem. 17, 215 (1961), as collected in the CRC Handbook of Chemistry and Physics. Radii: R. D. Shannon,
Acta Crystallogr. A 32, 751 (1976), Table 1, effective ionic radii in Å, six-fold and twelve-fold coordination
(eight-fold where twelve-fold is not given); high spin where there are two, because halides are weak ligands.
His six-fold B, C and N are extrapolated to where no such ions are and left out. Facts, not a file of others.
"""

from __future__ import annotations

import csv
import math
import re
from importlib.resources import files

_ROWS = list(csv.DictReader((files("softmode") / "data" / "elements.csv").read_text("utf-8").splitlines()))

#: Pauling electronegativities.
PAULING = {row["element"]: float(row["electronegativity"]) for row in _ROWS if row["electronegativity"]}
#: Charges of a cation in halides, oxides and the like, the commonest first.
CHARGES = {row["element"]: tuple(map(int, row["charges"].split())) for row in _ROWS if row["charges"]}
#: Radius, Å, by element, charge and coordination number; in the table ``charge/coordination:radius``.
SHANNON = {
    (row["element"], int(charge), int(coordination)): float(radius)
    for row in _ROWS
    for charge, coordination, radius in re.findall(r"([+-]\d)/(\d+):(\S+)", row["radii"])
}


def electronegativity(symbol: str) -> float:
    """Pauling electronegativity of an element; infinity for the few that have none (He, Ne, Ar, Z > 103)."""
    return PAULING.get(symbol, math.inf)
