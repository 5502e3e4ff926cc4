"""Actions as a person names them: in a rules file, or by options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from pipelines.subscribe.actions.action import Action
from pipelines.subscribe.actions.command import CommandAction
from pipelines.subscribe.actions.file import FileAction
from pipelines.subscribe.actions.webhook import SlackAction, WebhookAction
from stream.kafka_settings import Section

_KINDS = ("file", "command", "webhook", "slack")
WEBHOOK_SECRET = "TOCSIN_WEBHOOK_SECRET"


class ActionSettings(Section):
    """One action: exactly one of ``file``, ``command``, ``webhook`` and ``slack``."""

    file: Path | None = Field(None, description="Keep each alert's message in this folder.")
    command: tuple[str, ...] | None = Field(None, description="Start this program with these arguments.")
    webhook: SecretStr | None = Field(None, description="Post each alert as JSON to this URL.")
    slack: SecretStr | None = Field(None, description="Post a line of text to this URL, as Slack takes it.")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Time for one attempt.")
    give_up_s: float = Field(
        3600.0, ge=0, le=30 * 86_400, description="Age at which an alert that could not be delivered is a dead letter."
    )
    secret_env: str = Field(WEBHOOK_SECRET, description="Variable of the environment that holds a webhook's secret.")

    @model_validator(mode="after")
    def _one_kind(self) -> ActionSettings:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError(f"name exactly one of {', '.join(_KINDS)}")
        return self


def make_action(settings: ActionSettings, environ: Mapping[str, str]) -> Action:
    """Return the action of its settings.

    Raises
    ------
    ConfigurationError
        If a URL is none, or not allowed.
    """
    if settings.file is not None:
        return FileAction(settings.file)
    if settings.command is not None:
        hidden = {k: v for k, v in environ.items() if k != settings.secret_env}
        return CommandAction(settings.command, settings.timeout_s, hidden)
    if settings.webhook is not None:
        secret = environ.get(settings.secret_env)
        return WebhookAction(
            settings.webhook.get_secret_value(), settings.timeout_s, None if not secret else secret.encode()
        )
    assert settings.slack is not None, "one of them is named"
    return SlackAction(settings.slack.get_secret_value(), settings.timeout_s)
