"""The panels of the page, in the order of the paper."""

from __future__ import annotations

from collections.abc import Callable

from softmode.panel import Panel
from softmode.report.paper.claims import claims
from softmode.report.paper.fig1 import fig1a, fig1b, fig1c
from softmode.report.paper.fig5 import fig5
from softmode.report.paper.map_panels import fig6, s10, s11, s12
from softmode.report.paper.matrices import fig2, fig3, fig4
from softmode.report.paper.scores import beyond, s7, s8, s9
from softmode.report.paper.source import PaperData
from softmode.report.paper.supplement import s1, s2, s3, s4, s5, s6
from softmode.report.paper.table1 import table1
from softmode.report.paper.table2 import table2

#: Each makes one panel; those of the article first, then those of its supplementary information.
PANELS: tuple[Callable[[PaperData], Panel], ...] = (
    table1,
    fig1a,
    fig1b,
    fig1c,
    claims,
    fig2,
    fig3,
    fig4,
    table2,
    fig5,
    fig6,
    s1,
    s2,
    s3,
    s4,
    s5,
    s6,
    s7,
    s8,
    s9,
    s10,
    s11,
    s12,
    beyond,
)

#: Keys of the panels of each part of the page; others go beyond the paper.
CHAPTERS = {
    "The article": (
        "table1",
        "fig1a",
        "fig1b",
        "fig1c",
        "claims",
        "fig2",
        "fig3",
        "fig4",
        "table2",
        "fig5",
        "fig6",
    ),
    "Supplementary information": tuple(f"s{number}" for number in range(1, 13)),
}
