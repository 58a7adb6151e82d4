"""Maps with their structures for chemiscope (G. Fraux et al., J. Open Source Softw. 5, 2117 (2020))."""

from __future__ import annotations

import gzip
import html
import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from softmode.crystal import Trajectory
from softmode.errors import MissingExtraError
from softmode.files import file_name
from softmode.measurements.map.analysis import MapPoints
from softmode.measurements.map.measurement import map_points, map_structures
from softmode.study.folder import Study
from softmode.study.results import best_median_worst, done

_SCRIPT = "chemiscope.min.js"
#: Of more materials than this, those whose clouds overlap best, as usual and worst are written.
_MOST = 3


def has_chemiscope() -> bool:
    """Whether chemiscope is installed."""
    return importlib.util.find_spec("chemiscope") is not None


def chemiscope_input(
    points: MapPoints, trajectories: Sequence[Trajectory], name: str, description: str = ""
) -> dict[str, Any]:
    """What chemiscope reads: structures, coordinates, σ(t) and how foreign each frame is.

    Parameters
    ----------
    points : MapPoints
        The frames.
    trajectories : sequence of Trajectory
        Of each cloud, in the order of the points.
    name, description : str
        For the viewer.

    Raises
    ------
    MissingExtraError
        If chemiscope is not installed.
    """
    try:
        import chemiscope
    except ImportError as problem:
        raise MissingExtraError(
            "chemiscope file", "chemiscope is not installed", "Install it with: pip install 'softmode[maps]'"
        ) from problem
    properties: dict[str, Any] = {
        "component 1": points.coordinates[:, 0],
        "component 2": points.coordinates[:, 1],
        "run": points.run.astype(float),
        "frame": points.frame.astype(float),
    }
    for title, values in (("sigma(t)", points.sigma_t), ("foreignness", points.foreign)):
        if np.isfinite(values).all():
            properties[title] = values
    described: dict[str, Any] = {
        title: {"target": "structure", "values": values} for title, values in properties.items()
    }
    names = [points.labels[index] for index in points.cloud]
    described["trajectory"] = {"target": "structure", "values": names}
    coloured = "sigma(t)" if "sigma(t)" in properties else "frame"
    content: dict[str, Any] = chemiscope.create_input(
        structures=_structures(trajectories),
        metadata={"name": name, "description": description or name},
        properties=described,
        settings={
            "map": {
                "x": {"property": "component 1"},
                "y": {"property": "component 2"},
                "color": {"property": coloured},
                "symbol": "trajectory",
            },
            "structure": [{"unitCell": True, "bonds": False}],
        },
    )
    return content


def _structures(trajectories: Sequence[Trajectory]) -> list[Atoms]:
    frames = []
    for trajectory in trajectories:
        for positions in trajectory.positions:
            atoms = Atoms(numbers=trajectory.numbers, positions=positions, cell=trajectory.lattice, pbc=True)
            atoms.wrap(eps=0.06)
            atoms.positions = np.round(atoms.positions, 3)
            frames.append(atoms)
    return frames


def chemiscope_json(content: dict[str, Any]) -> bytes:
    """The file (``.json.gz``) that chemiscope.org and ``chemiscope.show_input`` open."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return gzip.compress(text.encode(), 6, mtime=0)


def viewer_script() -> str:
    """JavaScript of the viewer as it comes with chemiscope; empty if it is not found."""
    specification = importlib.util.find_spec("chemiscope")
    if specification is None or specification.origin is None:
        return ""
    path = Path(specification.origin).parent / "sphinx" / "static" / "chemiscope.min.js"
    return path.read_text(encoding="utf-8") if path.exists() else ""


_VIEWER = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
  * {{ box-sizing: border-box; }}
  html, body {{ margin: 0; height: 100%; overflow: hidden; font: 14px system-ui, "DejaVu Sans", sans-serif; }}
  #viewer {{ display: grid; height: 100vh; }}
  #viewer {{ grid-template: auto minmax(0, 1fr) / minmax(0, 3fr) minmax(0, 2fr); }}
  #meta {{ grid-column: 1 / 3; }} #map, #structure {{ position: relative; min-height: 0; min-width: 0; }}
  #side {{ display: grid; grid-template-rows: minmax(0, 1fr) auto; min-height: 0; min-width: 0; }}
</style>
{script}
</head>
<body>
<div id="viewer"><div id="meta"></div><div id="map"></div>
<div id="side"><div id="structure"></div><div id="info"></div></div></div>
<script>
const content = {content};
const places = {{ meta: "meta", map: "map", structure: "structure", info: "info" }};
Chemiscope.DefaultVisualizer.load(places, content)
  .then(() => {{ document.body.dataset.loaded = "yes"; }})
  .catch(problem => {{ document.body.insertAdjacentText("afterbegin", String(problem)); }});
</script>
</body>
</html>
"""


def viewer_page(title: str, content: dict[str, Any], *, script: str = "", source: str = "") -> str:
    """chemiscope's own viewer with its data; needs no network.

    Parameters
    ----------
    title : str
        Of the window.
    content : dict
        From :func:`chemiscope_input`.
    script : str
        The viewer, from :func:`viewer_script`.
    source : str
        In place of it, the name of a file beside the page that holds it.
    """
    escaped = script.replace("</script", "<\\/script")
    return _VIEWER.format(
        title=html.escape(title),
        script=f'<script src="{source}"></script>' if source else f"<script>{escaped}</script>",
        content=script_json(content),
    )


def script_json(content: Any) -> str:
    """JSON that may stand inside a script of a page."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def chemiscope_files(study: Study, cells: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    """Maps of a study for chemiscope, with its viewer, by path beside the page; none without chemiscope.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    maps = done(cells, "map")
    maps = maps[maps["map_drawn"].astype(bool)] if len(maps) else maps
    if maps.empty or not has_chemiscope():
        return
    script = viewer_script()
    if script:
        yield f"chemiscope/{_SCRIPT}", script.encode()
    for potential, rows in maps.groupby("potential", sort=False):
        by = rows.assign(_by=pd.to_numeric(rows["map_mmd2_relative"])).dropna(subset=["_by"])
        chosen = rows["material"] if len(rows) <= _MOST else best_median_worst(by, "_by").values()
        for material in chosen:
            record = study.result(material, str(potential), "map")
            if record is None:
                continue
            name = f"chemiscope/{file_name(material, str(potential))}"
            title = f"{rows.set_index('material').at[material, 'formula']}, {potential}"
            content = chemiscope_input(map_points(record, str(potential)), map_structures(record), title)
            yield f"{name}.json.gz", chemiscope_json(content)
            if script:
                yield f"{name}.html", viewer_page(title, content, source=_SCRIPT).encode()
