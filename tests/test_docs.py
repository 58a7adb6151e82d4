"""README and docs: links lead somewhere, and figures are those of the tables they come from."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CLAIMS = ROOT / "docs" / "results" / "claims.csv"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
#: ``<!-- figures of anharmonicity/leaderboard.csv, crystal=KCl -->`` before a table, a potential a row:
#: each number in a row is one of that row of the file, or of the files of several marks, rounded as printed.
_MARK = re.compile(r"<!-- figures of (\S+?)(?:, (.+?))? -->")
_NUMBER = re.compile(r"(?<![A-Za-z\d.])[+−-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ +(.+)$", text, flags=re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in _LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{target}: no such file"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}: no such heading"


def matches(said: str, value: float) -> bool:
    """Whether a number is a value, rounded as printed; a share in per cent, eV in meV, too."""
    number = float(said.replace("−", "-"))
    digits = said.partition("e")[0].partition(".")[2]
    step = 10.0 ** -len(digits)
    return any(
        abs(number - sign * scale * value) <= 0.501 * step for scale in (1, 100, 1000) for sign in (1, -1)
    )


def rows_of(file: Path, **wanted: str) -> list[dict[str, str]]:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [row for row in csv.DictReader(lines) if wanted.items() <= row.items()]


def numbers(row: dict[str, str]) -> list[float]:
    found = []
    for text in row.values():
        try:
            found.append(float(text))
        except ValueError:
            continue
    return found


def rows_by_potential(page: Path, mark: str) -> dict[str, list[float]]:
    """Numbers of the rows that a mark chooses, one row a potential; nothing where the line is no mark."""
    if (found := _MARK.fullmatch(mark)) is None:
        return {}
    wanted = dict(part.split("=") for part in (found[2] or "").split(", ") if part)
    rows = rows_of(page.parent / found[1], **wanted)
    named = {row["potential"].removesuffix("-v2025.1-PES"): numbers(row) for row in rows}
    assert len(named) == len(rows) > 0, f"{page.name}: {mark} does not choose one row a potential"
    return named


def marked_rows() -> Iterator[tuple[str, str, str, list[float]]]:
    """Page, potential, line of a marked table, and the numbers of the rows it comes from."""
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        known: dict[str, list[float]] = {}
        for text in lines:
            if mark := rows_by_potential(page, text):
                known = {name: [*known.get(name, []), *row] for name, row in mark.items()}
            elif text.startswith("|") and known:
                cells = [
                    cell.strip(" *`").removesuffix("-v2025.1-PES") for cell in text.strip("|").split("|")
                ]
                for potential in (cell for cell in cells if cell in known):
                    yield page.name, potential, text.replace(potential, ""), known[potential]
            elif not text.startswith("|") and text:
                known = {}


def test_tables_are_those_of_their_files() -> None:
    count = 0
    for page, potential, text, known in marked_rows():
        # "[-0.010, 0.002]" and "1–2" are two numbers each; "sigma2", "10⁻⁶" none
        for said in _NUMBER.findall(text.replace("–", " ")):
            count += 1
            assert any(matches(said, value) for value in known), (
                f"{page}, {potential}: {said} is not in its row"
            )
    assert count > 100


def test_the_yardstick_is_the_packaged_leaderboard() -> None:
    data = ROOT / "src" / "softmode" / "data" / "leaderboard"
    cells = pd.read_csv(data / "phonondb.csv")
    stable = pd.read_csv(data / "phonondb_materials.csv").query("stable_reference == 1")["material"]
    page = (ROOT / "docs" / "good-score.md").read_text(encoding="utf-8")
    assert f"{len(stable)} of the {cells['material'].nunique()} are stable by DFT" in page
    lines = [line for line in page.splitlines() if re.match(r"\|.*: `", line)]
    assert len(lines) == 9
    for line in lines:
        column = line.split("`")[1]
        rows = cells[cells["material"].isin(stable)] if "stable crystals" in line else cells
        sizes = rows[column].abs().groupby(rows["potential"])
        ranked = sizes.median() if column != "stability_agrees" else -sizes.mean()
        ranked = ranked.dropna().sort_values().abs()
        expected = [ranked.iloc[place] for place in (0, 3, len(ranked) // 2, -1)]
        for said, value in zip(line.strip("| ").split("|")[1:], expected, strict=True):
            assert matches(said.strip(), value), (column, said, value)
    table = ROOT / "docs" / "results" / "phonons" / "potentials.csv"
    rest = sorted(float(row["rest"]) for row in rows_of(table, subset="143"))
    assert " | ".join(f"{rest[place]:.2f}" for place in (0, 3, len(rest) // 2, -1)) in page


def test_claims_are_those_of_the_tables() -> None:
    """Each figure in the sentences of README and "What we found" is looked up where it comes from."""
    for claim in rows_of(CLAIMS):
        wanted = dict(part.split("=") for part in claim["row"].split("; "))
        [row] = rows_of(ROOT / claim["table"], **wanted)
        assert matches(claim["figure"], float(row[claim["column"]])), claim
        assert claim["figure"] in claim["sentence"], claim
        for page in claim["pages"].split("; "):
            text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
            assert claim["sentence"] in text, f"{page} does not say: {claim['sentence']}"
