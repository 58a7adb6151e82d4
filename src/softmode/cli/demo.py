"""``softmode demo``: the embedded example, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.running import conclude, run_to_end
from softmode.study.settings import parse_study


def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("softmode-demo"),
    potential: Annotated[
        list[str] | None, typer.Option(help="Potential to score; may be given several times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Score CHGNet and SevenNet-0 on the embedded DFT phonons of Cs2AgBiBr6 and write the report."""
    content = {
        "name": "Demo: Cs2AgBiBr6",
        "output": str(output.resolve()),
        "dataset": {"kind": "example"},
        "potential": [{"name": name} for name in potential or ["chgnet", "7net-0"]],
    }
    conclude(run_to_end(parse_study(content, "demo")), as_json=as_json)
