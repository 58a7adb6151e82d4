"""Pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tiny_study import emt, factory, run_tiny, tiny_study, write_metal

from softmode.report.build import build_report
from softmode.study.folder import Study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Whether a missing browser is a failure: it is where changes are checked before they land.
REQUIRED = os.environ.get("SOFTMODE_TEST_BROWSER") == "required"
#: Names that a careless page would obey; the first two are names of folders, thus of materials.
IMAGE, FORMULA = "<img src=x onerror=hurt()>", "=SUM(1)&\"two\" 'three'"
MARKUP = "<b onmouseover=hurt()>exact</b>"
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; each test opens pages of its own in it."""
    if CHROMIUM is None:
        if REQUIRED:
            pytest.fail("there is no Chromium")
        pytest.skip("there is no Chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page on show, what it said to the console and which addresses it asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def show(chromium: Any) -> Iterator[Any]:
    """Open a file: ``show(path, address="#/cells", width=1280, scheme="dark")``."""
    contexts = []

    def opened(path: Path, address: str = "", width: int = 1280, scheme: str = "light") -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.set_default_timeout(15_000)
        found.page.add_init_script("window.hurt = () => { window.wasHurt = true; };")
        found.page.on("console", lambda line: found.said.append(f"{line.type}: {line.text}"))
        found.page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(f"{path.resolve().as_uri()}{address}")
        found.page.wait_for_selector("h1")
        return found

    yield opened
    for context in contexts:
        context.close()


@dataclass(frozen=True)
class Reported:
    """A study and its page."""

    study: Study
    page: Path


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Five crystals, two of them with names that a page might obey, three potentials, one of which fails."""
    root = tmp_path_factory.mktemp("browsed")
    for name, symbol in {IMAGE: "Al", FORMULA: "Au", "Cu": "Cu", "CuAu": "CuAu", "Ag": "Ag"}.items():
        write_metal(root / "data" / name, symbol)
    soft = factory("scaled_emt", "soft one", factor=0.8)
    settings = tiny_study(root / "data", root / "run", soft, emt(MARKUP), factory("nan_emt", "nan"))
    study, _ = run_tiny(settings)
    return Reported(study, build_report(study))
