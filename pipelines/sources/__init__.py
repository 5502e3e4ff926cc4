"""Where messages of others come from: GCN's Kafka, SCiMMA's, any Kafka, and files.

source ─SourceMessage→ what reads it ─done→ source

A source hands out messages and remembers none: its place moves on when it is told that they are done with, so that
whoever is killed in between gets them again.
"""

from pipelines.sources.files import FileSource
from pipelines.sources.kafka import KafkaSource
from pipelines.sources.message import Source, SourceMessage
from pipelines.sources.named import check_source, open_source

__all__ = ["FileSource", "KafkaSource", "Source", "SourceMessage", "check_source", "open_source"]
