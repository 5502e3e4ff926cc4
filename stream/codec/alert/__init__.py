"""Alerts, to bytes and back: the one place that knows their Avro, their JSON and their headers.

:func:`encode` makes the two messages of a revision; :func:`decode` reads a message of whatever pipeline, and
:func:`sent_of` tells from key and headers alone which alert of ours a message is. The same revision gives the same
bytes. A stranger's bytes are read within the bounds of :mod:`stream.codec.limits`.
"""

from stream.codec.alert.as_json import decode_alert_json, encode_alert_json
from stream.codec.alert.avro import CONTAINER_MAGIC, decode_alert, encode_alert, read_alerts, write_alerts
from stream.codec.alert.headers import alert_id_of, read_extra, sent_of
from stream.codec.alert.message import Outgoing, decode, decode_file, encode
from stream.codec.alert.record import alert_record

__all__ = [
    "CONTAINER_MAGIC",
    "Outgoing",
    "alert_id_of",
    "alert_record",
    "decode",
    "decode_alert",
    "decode_alert_json",
    "decode_file",
    "encode",
    "encode_alert",
    "encode_alert_json",
    "read_alerts",
    "read_extra",
    "sent_of",
    "write_alerts",
]
