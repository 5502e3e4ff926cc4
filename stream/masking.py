"""Secrets kept out of everything that is shown: settings, errors, logs.

A secret has a type that shows itself masked. For text that others wrote (an error of a library, say), user names and
passwords in URLs are masked wherever the text leaves the process.
"""

from __future__ import annotations

import re

from pydantic import SecretStr

MASK = "**********"
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@")

_PATH = re.compile(r"(?P<place>https?://[^/?#\s\"'<>]*)[/?#][^\s\"'<>]*", re.IGNORECASE)


class SecretUrl(SecretStr):
    """A URL, or several separated by commas; what stands before its last ``@``, and its query, are masked where shown.

    All up to the last ``@``: an unescaped password may hold any sign, and hides as well.
    """

    @property
    def holds_secrets(self) -> bool:
        """Whether anything is masked."""
        return self._display() != self.get_secret_value()

    def _display(self) -> str:
        scheme, separator, rest = self.get_secret_value().partition("://")
        if scheme not in ("http", "https"):
            return MASK
        _, credentials, place = rest.rpartition("@")
        place, query, _ = place.partition("?")
        return f"{scheme}{separator}{MASK * bool(credentials)}{credentials}{place}{query}{MASK * bool(query)}"


def mask_urls(text: str) -> str:
    """Return text without what stands before the ``@`` of a URL."""
    return _CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text) if "@" in text else text


def mask_paths(text: str) -> str:
    """Return text with the host alone of each URL: of a webhook the rest is a secret."""
    return _PATH.sub(r"\g<place>/…", mask_urls(text)) if "://" in text else text
