"""The page about rules says what the code does: every name with its unit, the grammar, the units, the presets."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.entry import app
from pipelines.subscribe.where import NAMES, UNITS, Kind, parse, parser
from pipelines.subscribe.where.names import Name
from pipelines.subscribe.where.presets import load_preset, preset_names
from pipelines.subscribe.where.units import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
KIND_TEXTS = {Kind.TRUTH: "yes or no", Kind.TEXT: "text", Kind.SET: "set", Kind.TIME: "time"}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def told(name: str, spec: Name) -> list[str]:
    """Return the row of a name, as the page must have it."""
    words = ", ".join(a.name for a in spec.arguments)
    optional = all(a.optional for a in spec.arguments)
    form = "" if not words else f"[({words})]" if optional else f"({words})"
    known = [spec.words, *(a.words for a in spec.arguments if a.words != ("detectors",))]
    what = ": ".join([spec.what, *(", ".join(several) for several in known if several)])
    unit = (KINDS[spec.dimension][1] or "1") if spec.kind is Kind.NUMBER else KIND_TEXTS[spec.kind]
    return [f"`{name}{form}`", unit, what]


def test_the_page_has_every_name_with_its_unit_and_no_other() -> None:
    assert rows("Names") == [told(name, spec) for name, spec in NAMES.items()]


def test_the_page_has_the_grammar_of_the_parser() -> None:
    grammar = textwrap.dedent(str(parser.__doc__).split("::\n\n")[1].split("\n\n")[0])
    assert grammar in [block.rstrip("\n") for block in blocks("")]


@pytest.mark.parametrize("text", "".join(blocks("rule")).splitlines())
def test_every_example_is_a_rule(text: str) -> None:
    parse(text)


def test_every_unit_of_the_page_is_one_and_every_unit_is_there() -> None:
    section = PAGE.split("\n## Units\n")[1].split("\n## ")[0]
    words = set(re.findall(r"`([A-Za-z0-9%]+)`", section))
    assert {word.lower() for word in words} <= set(UNITS)
    assert {UNITS[word.lower()] for word in words} == set(UNITS.values())


def test_the_page_has_every_preset_with_its_source() -> None:
    presets = [load_preset(name) for name in preset_names()]
    assert rows("Presets and files of rules") == [
        [f"`{p.name}`", " ".join(p.description.split()), ", ".join(p.source)] for p in presets
    ]


def test_the_file_of_rules_on_the_page_is_one(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    (tmp_path / "mine.toml").write_text(example)
    assert [rule.name for rule in load_preset(str(tmp_path / "mine.toml")).rule] == ["close", "joint"]


def test_what_the_page_says_is_told_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    section = PAGE.split("\n## What is told\n")[1].split("\n## ")[0]
    line, as_json = re.findall(r"```(?:json)?\n(.*?)\n```", section, re.DOTALL)
    file = str(data_dir / "alerts/lvk_userguide/MS181101ab-initial.avro")

    def printed(where: str, *options: str) -> str:
        return CliRunner().invoke(app, ["alerts", "replay", file, "--where", where, "--all", *options]).stdout

    assert line in printed("far < 1/month and area90 < 20 and mchirp < 5")
    assert json.loads(as_json) in json.loads(printed("area90 < 20", "--json"))["subscription"]["rules"]
