"""Rules kept in files: those that ship, one's own, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from told import NOW_UNIX_NS, STORY, lvk_alert

from pipelines.cli import wanted
from pipelines.subscribe.judging import Judges, RuleOptions, rules_of
from pipelines.subscribe.where.presets import load_preset, preset_names
from stream.codec.skymap import decode_skymap
from stream.errors import ConfigurationError, RuleError
from stream.records import SkyMap

ANSWERS = {True: "y", False: "n", None: "?"}
OWN = """
name = "my-telescope"
site = "lasilla"
unknown = "accept"

[[rule]]
name = "close"
where = "far < 1/year and distance < 100"
actions = ["slew"]

[[rule]]
name = "far"
where = "far < 1/year and distance >= 100"
unknown = "reject"
types = ["initial"]

[actions.slew]
command = ["./slew.sh"]
"""


def answers(options: RuleOptions, data_dir: Path) -> dict[str, str]:
    """Return what each rule says of LVK's example event, alert by alert."""
    judges = Judges(rules_of(options))
    found = {one.name: "" for one in judges.wanted}
    for name in STORY:
        alert = lvk_alert(data_dir, name)
        for one in judges.wanted:
            found[one.name] += ANSWERS[judges.judge(one, alert, NOW_UNIX_NS).outcome]
    return found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rubin-gold", {"rubin-gold": "nnynnn"}), ("rubin-silver", {"rubin-silver": "nnynnn"}),
        ("tarot", {"tarot": "nnnnnn"}), ("grandma", {"grandma": "yyyyy?"}),
        ("ztf", {"ztf-deep": "yyyyy?", "ztf-wide": "nnnnn?"}),
        ("goto", {"goto-joint": "nnnny?", "goto-remnant": "yyyyy?", "goto-near": "nnnnn?", "goto-burst": "nnnnn?"}),
    ],
)  # fmt: skip
def test_each_preset_says_of_lvks_example_event_what_it_must(name: str, told: dict[str, str], data_dir: Path) -> None:
    assert answers(RuleOptions(preset=name), data_dir) == told


def test_every_preset_has_a_source_and_says_what_it_is_for() -> None:
    assert {"rubin-gold", "rubin-silver", "tarot", "ztf"} <= set(preset_names())
    for name in preset_names():
        preset = load_preset(name)
        assert preset.name == name
        assert len(preset.description) > 50
        assert all(link.startswith("https://") for link in preset.source)
        assert preset.source


def test_a_file_of_ones_own_has_several_rules_with_actions(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(OWN)
    close, far = load_preset(str(file)).rule
    assert (close.site, far.site, close.unknown, far.unknown) == ("lasilla", "lasilla", "accept", "reject")
    assert load_preset(str(file)).actions == {"slew": {"command": ["./slew.sh"]}}
    rules = rules_of(RuleOptions(preset=str(file), where="test or significant", visible=0.5))
    assert [one.actions for one in rules] == [("slew",), ()]
    assert [one.unknown for one in rules] == ["accept", "reject"]
    assert rules[1].rule is not None
    assert rules[1].rule.text == (
        "type in (initial) and far < 1/year and distance >= 100 and (test or significant) "
        'and visible("lasilla", 24 h, 2.5, -18 deg) >= 0.5'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is no TOML"),
        ('name = "x"\nwher = "test"', "did you mean where?"),
        ('name = "a b"', "name: "),
        ('name = "x"\n[[rule]]\nwhen = "test"', "rule.0.when: is not known: did you mean"),
        ('name = "x"\nrule = 3', "[[rule]]"),
        ('name = "x"\n[[rule]]\nname="a"\n[[rule]]\nname="a"', "the same name"),
        ('name = "x"\nvisible = 2', "visible"),
        ('name = "x"\n[[rule]]\nactions = ["gone"]', "the action gone, which is not"),
        ('name = "x"\nrule = []', "rule: "),
        ('name = "x"\ntypes = ["retracted"]', "types"),
        ('name = "x"\nwhere = "far <"', "something is missing"),
        ('name = "x"\nvisible = 0.5', "give --site"),
        ('name = "x"\nsite = "atlantis"\nvisible = 0.5', "no site is named"),
        ('name = "x"\n[actions]\nsecret = 3', "actions.secret"),
        ("x = " + "[" * 5000, "is no TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        rules_of(RuleOptions(preset=str(file)))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rubin", "did you mean rubin-"),
        ("./gone.toml", "cannot be read"),
        ("/dev", "cannot be read"),
        ("..", "no preset"),
    ],
)
def test_a_preset_that_is_not_there_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_preset(name)


def test_bytes_that_are_no_text_and_a_file_that_is_too_long_are_refused(tmp_path: Path) -> None:
    for content, said in ((b"\xff\xfe", "no plain text"), (b"#" * (1 << 19), "longer than")):
        (tmp_path / "x.toml").write_bytes(content)
        with pytest.raises(ConfigurationError, match=said):
            load_preset(str(tmp_path / "x.toml"))


def test_the_map_is_decoded_once_for_several_rules(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def counted(fits: bytes, *, distances: bool) -> SkyMap:
        decoded.append(len(fits))
        return decode_skymap(fits, distances=distances)

    monkeypatch.setattr("pipelines.subscribe.facts.decode_skymap", counted)
    judges = Judges([*rules_of(RuleOptions(where="area90 < 1")), *rules_of(RuleOptions(where="area50 < 99"))])
    alert = lvk_alert(data_dir, "initial")
    assert [judges.judge(one, alert, NOW_UNIX_NS).matched for one in judges.wanted] == [False, True]
    assert len(decoded) == 1


def test_a_rule_that_is_wrong_is_told_with_its_file_and_name(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('name = "x"\n[[rule]]\nname = "close"\nwhere = "distance < 1 deg"')
    with pytest.raises(RuleError, match=r"rules.toml, rule close: distance is a distance"):
        rules_of(RuleOptions(preset=str(file)))
    with pytest.raises(RuleError, match=r"^fra is not known"):
        rules_of(RuleOptions(preset="tarot", where="fra < 1"))


def test_the_help_names_every_preset() -> None:
    (option,) = get_args(wanted.PresetName)[1:]
    assert f"({', '.join(preset_names())})" in option.help
