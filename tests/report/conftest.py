from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from paper_study import PaperRun, paper_run
from report_page import document_of

from softmode.study.folder import Study


@pytest.fixture(scope="module")
def page(reported: tuple[Study, Path]) -> dict[str, Any]:
    """The document of the report that a module makes in its fixture `reported`."""
    return document_of(reported[1])


@pytest.fixture(scope="session")
def paper_standin(tmp_path_factory: pytest.TempPathFactory) -> PaperRun:
    """A run like the paper's, for all tests of its panels; not to be changed."""
    return paper_run(tmp_path_factory.mktemp("paper"))
