"""Each decoder of a stranger's bytes, and a message that it reads."""

from __future__ import annotations

from collections.abc import Callable

import make_schema_examples as made
from skymaps import skymap

from pipelines.subscribe import receive
from stream.codec import strain_codec
from stream.codec.alert import decode_alert, encode_alert
from stream.codec.avro import (
    decode_decision,
    decode_external,
    decode_heartbeat,
    decode_strain,
    decode_witness,
    encode_decision,
    encode_external,
    encode_heartbeat,
    encode_strain,
    encode_witness,
)
from stream.codec.skymap import decode_skymap, encode_skymap
from stream.kafka.consumer import Message
from stream.settings import StrainSettings


def received(payload: bytes) -> object:
    alert = receive(Message("alerts.gw", 0, 0, None, payload, (), 0))
    return alert.as_line(), alert.as_json()


def strain(kind: str) -> Callable[[bytes], object]:
    codec = strain_codec(StrainSettings.model_validate({"codec": kind}))
    return lambda payload: codec.decode(payload, detector=made.STRAIN.detector)


def decoder(name: str) -> tuple[Callable[[bytes], object], bytes]:
    """Return a decoder, and a message that it reads: decoded once, so that what it loads is loaded."""
    if name == "arrow":
        from stream.codec.arrow import encode_arrow  # noqa: PLC0415

        return strain("arrow"), encode_arrow([made.STRAIN])
    if name == "gwf":
        from stream.codec.gwf import encode_gwf  # noqa: PLC0415

        return strain("gwf"), encode_gwf(made.STRAIN)
    return {
        "alert": (decode_alert, encode_alert(made.ALERT)),
        "received": (received, encode_alert(made.ALERT)),
        "strain": (decode_strain, encode_strain(made.STRAIN)),
        "witness": (decode_witness, encode_witness(made.WITNESS)),
        "decision": (decode_decision, encode_decision(made.DECISION)),
        "external": (decode_external, encode_external(made.EXTERNAL)),
        "heartbeat": (decode_heartbeat, encode_heartbeat(made.HEARTBEAT)),
        "skymap": (decode_skymap, encode_skymap(skymap(rounds=0))),
    }[name]
