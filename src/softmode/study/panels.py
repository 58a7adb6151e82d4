"""Panels of a study, made by its measurements."""

from __future__ import annotations

import logging

import pandas as pd

from softmode.errors import StorageError
from softmode.measurements.registry import measurement
from softmode.measurements.results import Results
from softmode.panel import Panel, RecordLink
from softmode.records import Record
from softmode.study.folder import Study
from softmode.study.results import done

logger = logging.getLogger(__name__)


def panels_of(study: Study, cells: pd.DataFrame) -> list[Panel]:
    """Panels of the measurements of a study that make any and have results, in the order of the study.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    panels: list[Panel] = []
    for name in study.settings.measurements:
        one, rows = measurement(name), done(cells, name)
        if one.panels is None or rows.empty:
            continue

        def record(material: str, potential: str, name: str = name) -> Record:
            found = study.result(material, potential, name)
            if found is None:
                raise StorageError(f"{name} of {material}", "its record is gone", "Run the study again")
            return found

        def link(material: str, potential: str, name: str = name) -> RecordLink:
            return study.link(material, potential, name)

        try:
            panels += one.panels(Results(one, rows, study.settings.conditions, record, link))
        except Exception as error:  # a figure that fails must not take the page with it
            logger.warning("the panels of measurement %s fail", name, exc_info=True)
            said = (
                f"Its figures cannot be made ({type(error).__name__}: {error}); the tables hold its values."
            )
            panels.append(Panel(name, one.title, "", missing=(said,)))
    return panels
