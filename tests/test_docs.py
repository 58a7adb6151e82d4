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
#: ``<!-- figures of anharmonicity/leaderboard.csv, crystal=KCl -->`` before a table whose rows begin, after
#: ranks, with a potential: each number in a row is one of that row of the file, rounded as it is printed.
_MARK = re.compile(r"<!-- figures of (\S+?)(?:, (.+?))? -->")
_NUMBER = re.compile(r"[+−-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


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
    with file.open(encoding="utf-8", newline="") as handle:
        return [row for row in csv.DictReader(handle) if wanted.items() <= row.items()]


def numbers(row: dict[str, str]) -> list[float]:
    found = []
    for text in row.values():
        try:
            found.append(float(text))
        except ValueError:
            continue
    return found


def marked_rows() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Page, potential, line and the row of the file of each line of a marked table."""
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        for index, line in enumerate(lines):
            if (mark := _MARK.fullmatch(line)) is None:
                continue
            wanted = dict(part.split("=") for part in (mark[2] or "").split(", ") if part)
            rows = rows_of(page.parent / mark[1], **wanted)
            named = {row["potential"]: row for row in rows}
            assert len(named) == len(rows) > 0, f"{page.name}: {line} does not choose one row a potential"
            start = next(place for place in range(index, len(lines)) if lines[place].startswith("|"))
            for text in lines[start + 2 :]:
                if not text.startswith("|"):
                    break
                cells = [cell.strip(" *`") for cell in text.strip("|").split("|")]
                [potential] = [cell for cell in cells if cell in named]
                yield str(page.relative_to(ROOT)), potential, text.replace(potential, ""), named[potential]


def test_tables_are_those_of_their_files() -> None:
    count = 0
    for page, potential, text, row in marked_rows():
        known = numbers(row)
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


@pytest.mark.skipif(not CLAIMS.is_file(), reason="no claims yet")
def test_claims_are_those_of_the_tables() -> None:
    """Each figure in the sentences of README and "What we found" is looked up where it comes from."""
    for claim in rows_of(CLAIMS):
        wanted = dict(part.split("=") for part in claim["row"].split("; "))
        [row] = rows_of(ROOT / claim["table"], **wanted)
        assert matches(claim["figure"], float(row[claim["column"]])), claim
        for page in claim["pages"].split("; "):
            text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
            assert claim["sentence"] in text, f"{page} does not say: {claim['sentence']}"
            assert claim["figure"] in claim["sentence"], claim
