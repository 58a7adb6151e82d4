"""The document of a page has the fields that the app's contract names, and only what JSON can hold."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from softmode import charts
from softmode.report import detail, document
from softmode.report.document import document_json, plain_form, rounded
from softmode.study.verdict import statement

CONTRACT = Path(__file__).parents[2] / "web" / "src" / "contract.ts"
#: Classes whose name is another in the contract.
RENAMED = {
    "PagePanel": "Panel",
    "PagePicture": "Picture",
    "PageTable": "Table",
}


def interfaces() -> dict[str, set[str]]:
    """Fields of each interface of the contract, those it extends included."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", CONTRACT.read_text(encoding="utf-8"), flags=re.DOTALL)
    found: dict[str, set[str]] = {}
    pattern = r"interface (\w+)(?: extends (\w+))? \{\n(.*?)\n\}"
    for name, base, body in re.findall(pattern, text, re.DOTALL):
        found[name] = set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE)) | found.get(base, set())
    return found


def mirrored() -> list[type]:
    """Classes of the document, of charts and of details."""
    own = [
        one
        for module in (document, charts, detail, statement)
        for one in vars(module).values()
        if isinstance(one, type)
        and one.__module__ == module.__name__
        and hasattr(one, "__dataclass_fields__")
    ]
    return [one for one in own if one is not charts.Chart]


@pytest.mark.parametrize("one", mirrored(), ids=lambda one: one.__name__)
def test_fields_are_those_of_the_contract(one: type) -> None:
    name = RENAMED.get(one.__name__, one.__name__)
    named = interfaces()
    if name not in named:  # nested in another
        assert one.__module__ == detail.__name__
        return
    expected = named[name] - {"kind"} if issubclass(one, charts.Chart) else named[name]
    assert {each.name for each in fields(one)} == expected  # type: ignore[arg-type]


def test_every_chart_of_the_contract_is_a_class() -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    kinds = set(re.findall(r'^  kind: "(\w+)";', text, re.MULTILINE))
    assert kinds == {one.kind for one in charts.Chart.__subclasses__()}


def test_numbers_are_rounded_and_nothing_is_not_a_number() -> None:
    values = [np.float64(0.12345678), float("nan"), float("inf"), 1.0, True, None, np.int64(3)]
    assert plain_form(values) == [0.123457, None, None, 1.0, True, None, 3]
    assert plain_form(np.array([[1.0, np.nan]])) == [[1.0, None]]
    numbers = [*np.random.default_rng(1).normal(size=300) * 10.0 ** np.arange(-150, 150), -0.0, np.inf]
    assert list(map(repr, plain_form(list(map(float, numbers))))) == [repr(rounded(x)) for x in numbers]


def test_texts_are_harmless() -> None:
    text = "</script>\udc80 <b> \u2028"
    read = json.loads(document_json({text: [text]}))
    assert read == {"</script>\\udc80 <b> \u2028": ["</script>\\udc80 <b> \u2028"]}


def test_a_chart_says_its_kind() -> None:
    chart = charts.CellDistribution(name="a", title="b", value="c")
    assert plain_form(chart)["kind"] == "cell_distribution"


def test_what_no_document_has_is_refused() -> None:
    with pytest.raises(TypeError, match="a page has no object"):
        plain_form(object())
