"""One error tree.

::

    TocsinError
    ├── ConfigurationError      a setting, file or option is missing or wrong          (exit code 2)
    │   └── RuleError           a rule of which alerts are wanted is wrong: with a mark under the word
    ├── DataError               input that cannot be used
    │   ├── CodecError          bytes that are not what they claim to be
    │   ├── SchemaError         a record that does not fit its schema, or an unknown schema
    │   ├── StrainFileError     an archive file that is damaged or is not strain
    │   └── NoticeRefused       a notice that tells of no event that can be used
    ├── TransportError          Kafka: broker away, topic missing, message refused
    │   ├── DeadlineExceeded    an operation did not end in its time
    │   ├── MessageTooLarge     a message beyond what the broker or this client takes
    │   └── Fenced              another daemon has taken over a name that only one may hold      (exit code 4)
    ├── ModelError              a network that is missing, altered or does not fit
    │   └── ProviderError       the accelerator asked for is not there
    ├── StoreError              recent events of other messengers could not be kept or read
    ├── PublishError            an alert could not be made or sent
    ├── StateError              what a subscription remembers could not be written or read
    └── ActionFailed            what a telescope wants done about an alert was not done; it is tried again

An error names the thing, the value and the remedy. It is logged once, where it is handled.
"""

from __future__ import annotations

from stream.text import clean


class TocsinError(Exception):
    """Root of every error that this project raises on purpose."""


class ConfigurationError(TocsinError):
    """A setting, a file or an option is missing or wrong."""


class RuleError(ConfigurationError):
    """A rule of which alerts are wanted cannot be understood; its message has three lines: what, where, and a mark."""


class DataError(TocsinError):
    """Input that cannot be used; its message may quote that input, and is cleaned."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class CodecError(DataError):
    """Bytes that are not what they claim to be."""


class SchemaError(DataError):
    """A record that does not fit its schema, or a schema that is not known."""


class StrainFileError(DataError):
    """An archive file that is damaged, or that holds no strain."""


class NoticeRefused(DataError):  # noqa: N818 - it is no fault
    """A notice that tells of no event of another messenger; ``kind`` is a word to count it by, as in ``circular``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class TransportError(TocsinError):
    """Kafka did not do what was asked: broker away, topic missing, message refused."""


class DeadlineExceeded(TransportError):  # noqa: N818 - the name says what happened
    """An operation did not end in its time."""


class MessageTooLarge(TransportError):  # noqa: N818 - Kafka's word for it
    """A message is larger than the broker, or this client, takes; sent again it is refused again."""


class Fenced(TransportError):  # noqa: N818 - Kafka's word for it
    """Another daemon has taken over a name that only one may hold; this one must end, and not be started again."""


class ModelError(TocsinError):
    """A network that is missing, altered, or does not fit the pipeline."""


class ProviderError(ModelError):
    """The accelerator that was asked for is not there; never replaced silently by the CPU."""


class StoreError(TocsinError):
    """Recent events of other messengers could not be kept or read; no alert is lost by it."""


class PublishError(TocsinError):
    """An alert could not be made or sent."""


class StateError(TocsinError):
    """What a subscription remembers could not be written or read; what was read from Kafka is read again."""


class ActionFailed(TocsinError):  # noqa: N818 - the name says what happened
    """What was to be done about an alert was not done: a command that failed, a server that refused."""
