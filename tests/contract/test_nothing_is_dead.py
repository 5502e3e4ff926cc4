"""What nothing names is not kept: each function, class, method and constant is used by code or by a test of it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("stream", "pipelines", "schemas")
CALLED_BY_OTHERS = {"get_field_value", "settings_customise_sources", "makefile", "readinto"}
"""What a library calls by its name: pydantic-settings, http.client and io."""


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def defined(tree: ast.AST) -> Iterator[str]:
    """Yield what a module defines; what is registered by a decorator with arguments (a command) is used by that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if not any(isinstance(d, ast.Call) and not _is_dataclass(d) for d in node.decorator_list):
                yield node.name
        elif isinstance(node, ast.Module):
            for statement in node.body:
                if isinstance(statement, ast.Assign):
                    yield from (t.id for t in statement.targets if isinstance(t, ast.Name))


def _is_dataclass(decorator: ast.Call) -> bool:
    return isinstance(decorator.func, ast.Name) and decorator.func.id == "dataclass"


def unused(definitions: set[str], text: str) -> set[str]:
    """Return what is named only once: where it is defined."""
    words = Counter(re.findall(r"\w+", text))
    return {name for name in definitions if words[name] < 2 and not name.startswith("__")}


def test_each_definition_is_named_somewhere_else() -> None:
    looked_at = list(files(*PACKAGES))
    definitions = {name for file in looked_at for name in defined(ast.parse(file.read_text()))}
    text = "\n".join(file.read_text() for file in files(*PACKAGES, "tests", "docker"))
    assert unused(definitions, text) - CALLED_BY_OTHERS == set()


def test_a_dead_function_is_seen() -> None:
    text = "def alive(): ...\ndef dead(): ...\nKEPT = 1\nLOST = 2\nalive(KEPT)\n"
    assert unused(set(defined(ast.parse(text))), text) == {"dead", "LOST"}
