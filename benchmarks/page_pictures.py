"""Pictures of the page in README and docs/report.md, from the report of examples/phonondb.toml.

    softmode report RUN && python benchmarks/page_pictures.py RUN docs/results/page

Needs Chromium and the package playwright (extra ``test``). Fonts and hinting are the machine's: the same view
elsewhere is the same page, not the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH = 1240
#: Address and height of each view.
VIEWS = {"chlorides": ("#/?g=Cl", 1130), "material": ("#/material/mp-14036/7net-0", 1560)}
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def main() -> None:
    """Open each view of the page and keep what is to be seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    page_file = (given.run / "report" / "index.html").resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for name, (address, height) in VIEWS.items():
            context = browser.new_context(
                viewport={"width": WIDTH, "height": height}, color_scheme="light", reduced_motion="reduce"
            )
            page = context.new_page()
            page.goto(page_file + address)
            page.wait_for_selector("h1")
            page.wait_for_timeout(4000)  # charts and structures are drawn when they come into sight
            page.screenshot(path=given.out / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
