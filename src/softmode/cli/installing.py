"""``softmode potentials install``: an environment for a family, made, checked and used from then on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from softmode.cli.console import busy, out, print_json
from softmode.potentials.installation import Installed, install, installable


def install_families(names: Sequence[str], python: Path | None, *, as_json: bool = False) -> None:
    """Make the environments of families, one after the other.

    Raises
    ------
    SoftmodeError
        If a name is not known, or an environment cannot be made or does not work; those made before it stay.
    """
    once = {installable(name)[0].name: name for name in reversed(names)}  # all known, before any is made
    made = []
    for family, name in reversed(once.items()):
        with busy(f"installing {family}") as tell:
            made.append(install(name, python, tell=tell))
        if not as_json:
            out.print("\n".join(_told(made[-1])), markup=False, soft_wrap=True)
    if as_json:
        print_json([_described(each) for each in made])


def _told(made: Installed) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    checked = (
        f"  checked with {made.checked}: known answer, forces against the energy, invariances"
        if made.checked
        else "  no weights are at hand: what is loaded is checked against its known answer when first used"
    )
    return [f"{made.family.name} runs there from now on: {made.interpreter.prefix}", f"  {versions}", checked]


def _described(made: Installed) -> dict[str, object]:
    return {
        "family": made.family.name,
        "python": str(made.interpreter.python),
        "versions": made.versions,
        "checked": made.checked or None,
    }
