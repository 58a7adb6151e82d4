"""Maps of configuration space: the reference's trajectory and the potential's own dynamics."""

from softmode.measurements.map.measurement import MAP, map_points, map_structures
from softmode.measurements.map.settings import MapSettings

__all__ = ["MEASUREMENTS", "MapSettings", "map_points", "map_structures"]

MEASUREMENTS = (MAP,)
