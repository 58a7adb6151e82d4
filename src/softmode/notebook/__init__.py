"""The front door for notebooks: what ``import softmode`` offers.

>>> import softmode as sm
>>> crystal = sm.load("example")
>>> model = sm.potential("chgnet")
>>> comparison = sm.compare_phonons(crystal, model)

Every number comes from :func:`softmode.measurements.measure.measure`, as in studies and commands.
"""

from softmode.notebook.inputs import Crystal, Model, load, potential
from softmode.notebook.phonons import PhononComparison, PhononFigures, compare_phonons
from softmode.notebook.sigma import Anharmonicity, Sigma, anharmonicity
from softmode.notebook.studies import OpenedStudy, Screening, open_study, screen

__all__ = [
    "Anharmonicity",
    "Crystal",
    "Model",
    "OpenedStudy",
    "PhononComparison",
    "PhononFigures",
    "Screening",
    "Sigma",
    "anharmonicity",
    "compare_phonons",
    "load",
    "open_study",
    "potential",
    "screen",
]
