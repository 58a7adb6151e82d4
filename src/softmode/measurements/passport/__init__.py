"""How far every figure of one crystal and potential moves with choices that should not matter."""

from softmode.measurements.passport.measurement import MEASUREMENTS

__all__ = ["MEASUREMENTS"]
