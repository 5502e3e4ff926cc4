"""The documents speak of what is there: every path that they name exists, and every symbol of the newcomer's guide."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-a-block-becomes-an-alert.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "schemas" / "README.md"])
HISTORY = {"CHANGELOG.md"}
SUFFIXES = ("/", ".py", ".md", ".toml", ".yaml", ".yml", ".json", ".avsc", ".txt")
ELSEWHERE = ("data/", "strain/", "alerts/", "/tmp/", "tocsin-demo/", "../", "src/")
"""What users make, and what is not of this repository."""


def expanded(text: str) -> list[str]:
    """Return the paths of ``a/{b,c}.py``."""
    parts = [part.split(",") for part in re.split(r"[{}]", text)]
    return ["".join(choice) for choice in itertools.product(*parts)]


def paths(document: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield each path in code quotes, and where it may be: from the root, in ``pipelines``, or beside the last."""
    for line in document.read_text().splitlines():
        beside = document.parent
        for quoted in re.findall(r"`([^`\s<>*]+)`", line):
            if not quoted.endswith(SUFFIXES if "/" in quoted else (".py", ".md")) or quoted.startswith(ELSEWHERE):
                continue
            for text in expanded(quoted):
                bases = [ROOT, ROOT / "pipelines", document.parent, beside]
                yield text, [base / text for base in bases]
                found = next((base / text for base in bases if (base / text).exists()), None)
                beside = found.parent if found is not None and found.is_file() else found or beside


def links(document: Path) -> Iterator[str]:
    """Yield the targets of links within the repository."""
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            yield target


def symbols(file: Path) -> set[str]:
    """Return what a file defines at its top and in its classes, as ``name`` and ``Class.name``."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {t.id for t in targets if isinstance(t, ast.Name)}
    return found


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name not in HISTORY], ids=lambda d: d.name)
def test_every_path_and_link_of_a_document_exists(document: Path) -> None:
    absent = [text for text, places in paths(document) if not any(place.exists() for place in places)]
    broken = [target for target in links(document) if not (document.parent / target).exists()]
    assert (absent, broken) == ([], [])


def guided() -> list[tuple[str, str]]:
    """Return the guide's rows: a file, and a symbol of it."""
    rows = re.findall(r"^\| *`([^`]+\.py)` *\|([^|]+)\|", GUIDE.read_text(), re.MULTILINE)
    return [(file, symbol) for file, cell in rows for symbol in re.findall(r"`([A-Za-z_.]+)`", cell)]


def test_the_guide_leads_from_the_socket_to_the_topic() -> None:
    files = [file for file, _ in guided()]
    assert len(set(files)) > 15
    assert {"pipelines/search.py", "pipelines/events.py", "pipelines/live/publisher.py"} <= set(files)


@pytest.mark.parametrize(("file", "symbol"), guided())
def test_every_symbol_of_the_guide_is_where_it_says(file: str, symbol: str) -> None:
    assert symbol in symbols(ROOT / file)


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {page.name for page in folder.glob("[0-9]*.md")}
    assert pages == set(links(folder / "README.md"))


def test_a_path_that_is_not_there_is_seen(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("`stream/{errors,nothing}.py` and `gone/`, [this](nowhere.md)")
    absent = [text for text, places in paths(document) if not any(place.exists() for place in places)]
    assert (absent, list(links(document))) == (["stream/nothing.py", "gone/"], ["nowhere.md"])
