"""``tocsin doctor``: is everything there that the daemon needs? Each finding is well, or says what to do.

It only looks: nothing is written, made or removed, for a daemon may be at work.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnxruntime
from confluent_kafka import KafkaException

import schemas
from pipelines.live import promotion
from pipelines.search import compose
from stream.codec.alert import decode_alert
from stream.codec.registry import schema_registry
from stream.errors import TocsinError
from stream.infer import open_model
from stream.kafka.checks import check
from stream.kafka.topics import list_topics
from stream.publish.outbox import count_waiting
from stream.settings import Settings

_MIN_FREE_BYTES = 200_000_000
_UNSYNCHRONISED = 5
_MAX_BROKER_S = 5.0
_REMEDIES = {
    "schemas": "install the package anew",
    "state folder": "look at daemon.state_dir and publish.outbox",
    "broker": "start it, or correct kafka.bootstrap_servers and the security settings",
    "topics": "tocsin topics create",
    "registry": "start it, or correct kafka.schema_registry_url",
    "accelerator": "install tocsin[cuda] on a machine with an NVIDIA driver, or set infer.provider",
    "model": "correct infer.model and infer.provider, or install the package anew",
}
_MAX_CLOCK_ERROR_US = 100_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``remedy`` is given when it is not well, or when it may not be (``ok`` all the same)."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None

    @property
    def level(self) -> str:
        """Return ``ok``, ``warning`` or ``fault``."""
        if not self.ok:
            return "fault"
        return "ok" if self.remedy is None else "warning"

    def as_text(self) -> str:
        """Return it as people read it."""
        sign = {"ok": "ok  ", "warning": "warn", "fault": "FAIL"}[self.level]
        return f"{sign} {self.name}: {self.detail}" + (f"\n    to do: {self.remedy}" if self.remedy else "")


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield findings, the quick ones first."""
    quick = min(settings.kafka.operation_timeout_s, _MAX_BROKER_S)
    settings = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"operation_timeout_s": quick})}
    )  # fmt: skip
    looks: dict[str, Callable[[Settings], Finding | list[Finding]]] = {
        "schemas": _schemas,
        "state folder": _state,
        "clock": _clock,
        "broker": _broker,
        "topics": _topics,
        "registry": _registry,
        "accelerator": _accelerator,
        "model": _model,
    }
    answers = True
    for name, look in looks.items():
        if name == "topics" and not answers:
            yield Finding(name, False, "not looked at: no broker", "the broker first")
            continue
        try:
            found = look(settings)
            yield from found if isinstance(found, list) else [found]
        except (TocsinError, KafkaException, OSError) as error:
            answers = answers and name != "broker"
            yield Finding(name, False, str(error), _REMEDIES.get(name))


def _schemas(_: Settings) -> Finding:
    versions = {name: schemas.versions(name)[-1] for name in schemas.names()}
    decode_alert(schemas.example("alert", versions["alert"]))
    return Finding("schemas", True, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _state(settings: Settings) -> Finding:
    folders = {settings.daemon.state_dir, settings.publish.outbox}
    if settings.external.enabled:
        folders.add(settings.external.store.parent)
    for folder in folders:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        if not there.is_dir():
            return Finding("state folder", False, f"{there} is no folder", "name a folder, or remove the file")
        if not os.access(there, os.W_OK | os.X_OK):
            return Finding("state folder", False, f"{there} is not writable", "give it to the daemon's user")
        free = shutil.disk_usage(there).free
        if free < _MIN_FREE_BYTES:
            return Finding("state folder", False, f"{free / 1e6:.0f} MB free on {there}", "free some disk")
    waiting = count_waiting(settings.publish.outbox)
    return Finding("state folder", True, f"{settings.daemon.state_dir} is writable; {waiting} alerts in the outbox")


class _NtpTime(ctypes.Structure):
    """``struct ntptimeval`` of <sys/timex.h>, with room to spare behind it."""

    _fields_ = (
        ("seconds", ctypes.c_long), ("microseconds", ctypes.c_long), ("maxerror_us", ctypes.c_long),
        ("esterror_us", ctypes.c_long), ("tai_s", ctypes.c_long), ("reserved", ctypes.c_long * 4),
    )  # fmt: skip


def _clock(_: Settings) -> Finding:
    """Ask the kernel whether its clock is held by NTP or PTP.

    A warning at most: some who steer a clock do not tell the kernel (a virtual machine's host, chrony without
    rtcsync), and some kernels and containers do not let us ask. What is not known is said to be unknown.
    """
    remedy = "see that the clock follows NTP or PTP (chrony): latencies and the check of times rest on it"
    try:
        value = _NtpTime()
        state = ctypes.CDLL(None).ntp_gettime(ctypes.byref(value))
    except (AttributeError, OSError):
        return Finding("clock", True, "unknown: this system cannot be asked whether its clock is held", remedy)
    if state < 0:
        return Finding("clock", True, "unknown: the kernel does not let us ask whether its clock is held", remedy)
    error_ms = value.maxerror_us / 1000
    if state == _UNSYNCHRONISED or value.maxerror_us > _MAX_CLOCK_ERROR_US:
        detail = f"the kernel knows of nobody who holds it (error up to {error_ms:.0f} ms)"
        return Finding("clock", True, detail, remedy)
    return Finding("clock", True, f"synchronised, error below {error_ms:.1f} ms")


def _broker(settings: Settings) -> Finding:
    there = list_topics(settings)
    return Finding("broker", True, f"{settings.kafka.bootstrap_servers} answers; {len(there)} topics")


def _topics(settings: Settings) -> list[Finding]:
    wrong = [c for c in check(settings) if c.problem is not None]
    faults = [Finding(f"topic {c.name}", False, c.problem or "", c.remedy or _REMEDIES["topics"]) for c in wrong]
    return faults or [Finding("topics", True, "as they must be")]


def _registry(settings: Settings) -> Finding:
    registry = schema_registry(settings.kafka)
    if registry is None:
        return Finding("registry", True, "none configured: messages carry their own schema's fingerprint")
    subjects = registry.subjects()
    return Finding("registry", True, f"{settings.kafka.schema_registry_url} answers; {len(subjects)} subjects")


def _accelerator(settings: Settings) -> Finding:
    there = [p.removesuffix("ExecutionProvider").lower() for p in onnxruntime.get_available_providers()]
    detail = f"ONNX Runtime {onnxruntime.__version__} offers {', '.join(there)}; asked for {settings.infer.provider}"
    if settings.infer.provider not in there:
        return Finding("accelerator", False, detail, "install tocsin[cuda] on a machine with an NVIDIA driver")
    return Finding("accelerator", True, detail)


def _model(settings: Settings) -> Finding:
    card = compose(promotion.in_force(settings)).network.card
    shadow = "" if settings.infer.shadow is None else f"; shadow {open_model(settings.infer.shadow).label}"
    return Finding("model", True, f"{card.label}: files match its card, warmed up on {settings.infer.provider}{shadow}")


def as_dict(findings: list[Finding]) -> dict[str, object]:
    """Return the JSON form."""
    return {
        "ok": all(f.ok for f in findings),
        "findings": [
            {"name": f.name, "ok": f.ok, "level": f.level, "detail": f.detail, "remedy": f.remedy} for f in findings
        ],
    }
