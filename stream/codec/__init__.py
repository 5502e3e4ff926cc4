"""Bytes to records and back: Avro, GWF frames, Arrow batches, and archive files."""
