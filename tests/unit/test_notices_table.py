"""The table of missions: what it says holds together, and the page for people shows the same."""

from __future__ import annotations

import re
from pathlib import Path

from stream.notices import MISSIONS, Mission

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/notices.md"
HEADER = "| mission | source | messenger | search | containment | read beside the common | why |"
MESSENGERS = {"gamma", "x-ray", "optical", "radio", "neutrino"}


def row(mission: Mission) -> str:
    """Return a mission as a line of the page's table."""
    if mission.refused:
        return f"| {mission.name} | refused: `{mission.refused}` | | | | | {mission.why} |"
    classic = mission.classic_containment
    contained = f"{mission.containment:g}" + f", {classic:g} in classic notices" * (classic != mission.containment)
    return (
        f"| {mission.name} | `{mission.source}` | {mission.messenger} | `{mission.search}` | {contained} "
        f"| {mission.reads} | {mission.why} |"
    )


def test_the_page_shows_the_table() -> None:
    """Each row of the code stands in docs/notices.md, in the same order; nothing else does."""
    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line.count("|") == 8]
    assert [HEADER, *(row(mission) for mission in MISSIONS)] == shown


def test_the_page_lists_every_word_of_refusal() -> None:
    """Words are counted and looked for: the page has those of the code, and no other."""
    files = [*(ROOT / "stream/notices").glob("*.py"), ROOT / "stream/codec/xml_tree.py"]
    code = "".join(path.read_text() for path in files)
    words = set(re.findall(r'NoticeRefused\(\s*"(\w+)"', code)) | {mission.refused for mission in MISSIONS}
    words |= set(re.findall(r'": "(\w+)"', code[code.index("_OTHERS = {") : code.index("_BOM")]))
    words |= set(re.findall(r'kind = "(\w+)" if .* else "(\w+)"', code)[0]) | {"commanded", "planned"}
    listed = PAGE.read_text().partition("## Words of refusal")[2]
    shown = {word for line in listed.splitlines() if line.startswith("| `") for word in re.findall(r"`(\w+)`", line)}
    assert words - {""} == shown


def test_each_mission_is_read_or_refused() -> None:
    for mission in MISSIONS:
        assert bool(mission.source) != bool(mission.refused), mission.name
        assert mission.refused or (mission.messenger in MESSENGERS and mission.search), mission.name
        assert mission.schemas or mission.names or mission.topics or mission.packets or mission.ivorns, mission.name
        re.compile(mission.titles)


def test_no_packet_belongs_to_two_missions() -> None:
    packets = [number for mission in MISSIONS for number in mission.packets]
    assert len(packets) == len(set(packets))
