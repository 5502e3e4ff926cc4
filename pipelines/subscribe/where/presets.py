"""Rules kept in TOML: those that ship, by name, and one's own, by path.

A file states one rule at its top, or several under ``[[rule]]``, each for actions of its own:

::

    name = "my-telescope"
    description = "What we point at, and why"
    source = ["https://…"]                # where the numbers are from
    site = "lasilla"

    [[rule]]
    name = "close"
    where = "far < 1/year and distance < 100"
    visible = 0.5                         # of the probability, from the site in the next night
    actions = ["slew"]

    [actions.slew]                        # read by who acts
    command = ["./slew.sh"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from pipelines.subscribe.where.errors import nearest
from stream.configuration import without_quotes
from stream.errors import ConfigurationError
from stream.kafka_settings import Section
from stream.masking import mask_paths

_FOLDER = resources.files("pipelines.subscribe.where") / "presets"
_LONGEST = 1 << 18
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"

AlertType = Literal["earlywarning", "preliminary", "initial", "update", "retraction"]


class RuleSettings(Section):
    """One rule, and what it leads to."""

    name: str = Field("rule", pattern=_NAME, description="What the rule is called where it is told of.")
    where: str = Field("", max_length=4000, description="Which alerts are wanted; see docs/rules.md. Empty: all.")
    types: tuple[AlertType, ...] = Field((), description="Only alerts of these types; without any all.")
    unknown: Literal["reject", "accept"] = Field(
        "reject", description="What becomes of an alert that tells too little."
    )
    combined: bool = Field(False, description="Take the sky map combined with another messenger's, where there is one.")
    site: str | None = Field(
        None, max_length=64, description="Where the telescope stands: a name, or longitude,latitude."
    )
    visible: float | None = Field(
        None, ge=0, le=1, description="At least so much of the probability is seen from there."
    )
    within_h: float = Field(24.0, gt=0, le=240, description="In so many hours from now on.")
    airmass: float = Field(2.5, ge=1, le=40, description="At an airmass of at most this.")
    sun_deg: float = Field(-18.0, ge=-90, le=0, description="With the sun at most so high.")
    actions: tuple[str, ...] = Field((), description="Names of what is done; without any all that there is.")


class Preset(Section):
    """A file of rules."""

    name: str = Field(pattern=_NAME, description="What it is called.")
    description: str = Field("", max_length=2000, description="What it is for.")
    source: tuple[str, ...] = Field((), description="Where its numbers are from.")
    rule: tuple[RuleSettings, ...] = Field(min_length=1, max_length=100, description="Its rules.")
    actions: dict[str, dict[str, Any]] = Field({}, description="What is done, by name; read by who does it.")

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, told: object) -> object:
        """Let what stands at the top hold of each rule that does not say otherwise; it is the rule where none is."""
        if not isinstance(told, Mapping):
            return told
        common = {key: told[key] for key in RuleSettings.model_fields if key in told and key not in ("name", "actions")}
        rest = {key: told[key] for key in told if key not in common}
        several = told.get("rule", [{"name": told.get("name", "rule")}])
        if not isinstance(several, list) or not all(isinstance(one, Mapping) for one in several):
            raise ValueError("rule is written as [[rule]]")
        return {**rest, "rule": [{**common, **one} for one in several]}

    @model_validator(mode="after")
    def _named(self) -> Preset:
        """Refuse two rules of one name, and an action that is not there."""
        names = [one.name for one in self.rule]
        if len(set(names)) < len(names):
            raise ValueError("two rules have the same name")
        for one in self.rule:
            for action in one.actions:
                if action not in self.actions:
                    raise ValueError(f"rule {one.name} asks for the action {action}, which is not among [actions]")
        return self


def preset_names() -> tuple[str, ...]:
    """Return the names of those that ship."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")))


def load_preset(name: str) -> Preset:
    """Return the rules of a preset, by its name, or of a file, by its path.

    Raises
    ------
    ConfigurationError
        If there is none, or it is no file of rules.
    """
    if "/" in name or name.endswith(".toml"):
        return _read(Path(name))
    if name not in preset_names():
        raise ConfigurationError(f"no preset is named {name}{nearest(name, preset_names())}, or a file: ./{name}.toml")
    return _parsed((_FOLDER / f"{name}.toml").read_text("utf-8"), f"preset {name}")


def checked(values: Mapping[str, Any]) -> RuleSettings:
    """Return a rule of its values.

    Raises
    ------
    ConfigurationError
        If one is not allowed.
    """
    try:
        return RuleSettings.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(f"{values.get('name')}: {'; '.join(problems(error, RuleSettings))}") from None


def _read(path: Path) -> Preset:
    try:
        if path.stat().st_size > _LONGEST:
            raise ConfigurationError(f"rules file {path} is longer than {_LONGEST} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"rules file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"rules file {path} is no plain text in UTF-8") from None
    return _parsed(text, f"rules file {path}")


def _parsed(text: str, where: str) -> Preset:
    try:
        return Preset.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is no TOML: {without_quotes(error)}") from None
    except RecursionError:
        raise ConfigurationError(f"{where} is no TOML: it is nested too deep") from None
    except ValidationError as error:
        # Not chained: pydantic's error holds the values, and an action's may be secret.
        raise ConfigurationError(f"{where}: {'; '.join(problems(error, RuleSettings, Preset))}") from None


def problems(error: ValidationError, *models: type[BaseModel]) -> Iterator[str]:
    """Yield what is wrong with values, without them: a key that none of some models has, with the nearest."""
    known = [key for model in models for key in model.model_fields]
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"is not known{nearest(str(problem['loc'][-1]), known)}"
        yield mask_paths(f"{place}: {message}" if place else message)
