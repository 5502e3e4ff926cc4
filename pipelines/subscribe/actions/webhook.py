"""Post an alert to a server: signed JSON to a webhook, a line of text to a chat.

The signature covers time and body, so that neither can be changed and an old message cannot be played again:
``X-Tocsin-Signature: t=<Unix seconds>,v1=<hex>`` with HMAC-SHA256 (RFC 2104) over ``<t>.<body>``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable

from pipelines.subscribe.actions.action import Call
from pipelines.subscribe.actions.http import Poster, reach, target_of

_JSON = {"Content-Type": "application/json"}
_PLAIN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b"}
"""What Slack takes for its own, and Mattermost's ``@channel``: a space of no width ends a mention."""


def sign(secret: bytes, unix_s: int, body: bytes) -> str:
    """Return the value of ``X-Tocsin-Signature``; whoever receives it compares, and looks at the time."""
    digest = hmac.new(secret, b"%d." % unix_s + body, hashlib.sha256).hexdigest()
    return f"t={unix_s},v1={digest}"


class WebhookAction:
    """Post each alert as JSON.

    Parameters
    ----------
    url : str
    timeout_s : float
        For one attempt, all of it.
    secret : bytes, optional
        What the message is signed with; without it, it is not.
    unix_s : callable
    """

    kind = "webhook"

    def __init__(
        self, url: str, timeout_s: float, secret: bytes | None = None, unix_s: Callable[[], float] = time.time
    ) -> None:
        self._target = target_of(url)
        self._poster = Poster(self._target, timeout_s)
        self._timeout_s = timeout_s
        self._secret = secret
        self._unix_s = unix_s

    def run(self, call: Call) -> None:
        """Post it; ``Idempotence-Key`` says to the server which alert it is, however often it comes."""
        body = call.body()
        headers = {**_JSON, "Idempotence-Key": call.key, "Idempotency-Key": call.key}
        if self._secret is not None:
            headers["X-Tocsin-Signature"] = sign(self._secret, int(self._unix_s()), body)
        self._poster.post(body, headers)

    def check(self) -> str:
        """Say where to, once the server can be reached; nothing is sent."""
        reach(self._target, self._timeout_s)
        signed = "signed" if self._secret is not None else "not signed: set its secret in the environment"
        return f"alerts are posted to {self._target.shown}, {signed}"

    def cancel(self) -> None:
        """Its time-out ends it."""


class SlackAction:
    """Post a line of text for each alert, to what takes ``{"text": …}`` as Slack and Mattermost do.

    Parameters
    ----------
    url : str
    timeout_s : float
    """

    kind = "slack"

    def __init__(self, url: str, timeout_s: float) -> None:
        self._target = target_of(url)
        self._poster = Poster(self._target, timeout_s)
        self._timeout_s = timeout_s

    def run(self, call: Call) -> None:
        """Post the line, what would be a link or a mention in it written out."""
        text = "".join(_PLAIN.get(character, character) for character in call.alert.as_line())
        if call.told.get("test"):
            text = f"TEST  {text}"
        body = json.dumps({"text": text}).encode()
        self._poster.post(body, {**_JSON, "Idempotence-Key": call.key})

    def check(self) -> str:
        """Say where to, once the server can be reached; nothing is sent."""
        reach(self._target, self._timeout_s)
        return f"alerts are told to {self._target.shown}"

    def cancel(self) -> None:
        """Its time-out ends it."""
