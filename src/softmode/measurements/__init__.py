"""Measurements: what is measured of a material and a potential, each said once, all made one way.

What another package needs for a measurement of its own is here; see ``docs/developing.md``.
"""

from softmode.measurements.declaration import Column, Facts, Given, Measurement, Result, SettingsTable
from softmode.measurements.results import Results
from softmode.measurements.view import View, derived

__all__ = [
    "Column",
    "Facts",
    "Given",
    "Measurement",
    "Result",
    "Results",
    "SettingsTable",
    "View",
    "derived",
]
