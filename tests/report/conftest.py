from __future__ import annotations

from pathlib import Path

import pytest
from paper_study import PaperRun, paper_run

from softmode.study.folder import Study


@pytest.fixture(scope="module")
def page(reported: tuple[Study, Path]) -> str:
    """The page of the report that a module makes in its fixture `reported`."""
    return reported[1].read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def paper_standin(tmp_path_factory: pytest.TempPathFactory) -> PaperRun:
    """A run like the paper's, for all tests of its panels; not to be changed."""
    return paper_run(tmp_path_factory.mktemp("paper"))
