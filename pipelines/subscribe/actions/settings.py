"""Actions as a person names them: in a rules file, or by options."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from pipelines.subscribe.actions.action import Action
from pipelines.subscribe.actions.command import CommandAction
from pipelines.subscribe.actions.file import FileAction
from pipelines.subscribe.actions.secret import look_up, variable_of
from pipelines.subscribe.actions.webhook import SlackAction, WebhookAction
from stream.kafka_settings import Section

_KINDS = ("file", "command", "webhook", "slack")
WEBHOOK_SECRET = "TOCSIN_WEBHOOK_SECRET"


class ActionSettings(Section):
    """One action: exactly one of ``file``, ``command``, ``webhook`` and ``slack``."""

    file: Path | None = Field(None, description="Keep each alert's message in this folder.")
    command: tuple[str, ...] | None = Field(None, description="Start this program with these arguments.")
    webhook: SecretStr | None = Field(
        None, description="Post each alert as JSON to this URL; also env:NAME or file:PATH, which name it."
    )
    slack: SecretStr | None = Field(
        None, description="Post a line of text to this URL, as Slack takes it; also env:NAME or file:PATH."
    )
    secret: SecretStr = Field(
        SecretStr(""),
        description=f"What a webhook is signed with; also env:NAME or file:PATH. Else that of {WEBHOOK_SECRET}.",
    )
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Time for one attempt.")
    give_up_s: float = Field(
        3600.0, ge=0, le=30 * 86_400, description="Age at which an alert that could not be delivered is a dead letter."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> ActionSettings:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError(f"name exactly one of {', '.join(_KINDS)}")
        return self

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the environment that hold its URL and its secret."""
        texts = (held.get_secret_value() for held in (self.webhook, self.slack, self.secret) if held is not None)
        return frozenset(name for name in map(variable_of, texts) if name is not None)


def make_action(settings: ActionSettings, environ: Mapping[str, str], hidden: Container[str] = ()) -> Action:
    """Return the action of its settings; a command inherits the environment without what is hidden.

    Raises
    ------
    ConfigurationError
        If a URL is none, or not allowed, or stands nowhere.
    """
    if settings.file is not None:
        return FileAction(settings.file)
    if settings.command is not None:
        open_ = {k: v for k, v in environ.items() if k not in hidden}
        return CommandAction(settings.command, settings.timeout_s, open_)
    if settings.webhook is not None:
        url = look_up(settings.webhook.get_secret_value(), environ)
        secret = look_up(settings.secret.get_secret_value() or environ.get(WEBHOOK_SECRET, ""), environ)
        return WebhookAction(url, settings.timeout_s, secret.encode() or None)
    assert settings.slack is not None, "one of them is named"
    return SlackAction(look_up(settings.slack.get_secret_value(), environ), settings.timeout_s)
