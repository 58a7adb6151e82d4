"""A process that runs molecular dynamics until it is done or killed:  md_process.py FOLDER THERMOSTAT."""

import sys

from spring_crystal import TroublesomeSprings, simple_cubic

from softmode.dynamics import MDSettings, record_md


def settings(thermostat: str) -> MDSettings:
    """Fifty steps, a checkpoint every five."""
    return MDSettings(thermostat=thermostat, steps=50, checkpoint_every=5, seed=7)


if __name__ == "__main__":
    crystal = simple_cubic(3)
    calculator = TroublesomeSprings(crystal.positions, seconds=0.01)
    record_md(sys.argv[1], crystal, calculator, settings(sys.argv[2]))
