"""Molecular dynamics of the potential alone, and σ⁽²⁾ on its configurations."""

from softmode.measurements.md.dynamics import MD
from softmode.measurements.md.model_only import MODEL_ONLY
from softmode.measurements.md.settings import DynamicsSettings

__all__ = ["MEASUREMENTS", "DynamicsSettings"]

MEASUREMENTS = (MD, MODEL_ONLY)
