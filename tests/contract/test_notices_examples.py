"""Every public example of an alert is read, or refused by a word, as ``notices_expected.txt`` says.

After a change that is meant: ``python tests/contract/test_notices_examples.py FOLDER_OF_DATA`` writes the file anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from notices import RECEIVED_NS, alert_files, told

from stream.codec.avro import decode_external, encode_external
from stream.errors import NoticeRefused
from stream.notices import read_notice

EXPECTED = Path(__file__).parent / "notices_expected.txt"


def outcome(payload: bytes) -> list[str]:
    """Return what a file becomes: a line for each event, or why it is refused."""
    try:
        return [told(event) for event in read_notice(payload, RECEIVED_NS)]
    except NoticeRefused as refused:
        return [f"refused: {refused.kind}"]


def outcomes(data_dir: Path) -> list[str]:
    """Return what becomes of each file, by its path."""
    return [
        f"{path.relative_to(data_dir / 'alerts')}: {line}"
        for path in alert_files(data_dir)
        for line in outcome(path.read_bytes())
    ]


def test_every_file_is_read_or_refused_as_it_was(data_dir: Path) -> None:
    """122 files, none damaged: what each becomes is known, so that a change is seen."""
    assert EXPECTED.read_text().splitlines() == outcomes(data_dir)


def test_each_event_goes_through_our_avro_and_back(data_dir: Path) -> None:
    """An event that was read can be sent and is the same again, also when its message is read as a notice."""
    seen = 0
    for path in alert_files(data_dir):
        try:
            events = read_notice(path.read_bytes(), RECEIVED_NS)
        except NoticeRefused:
            continue
        for event in events:
            message = encode_external(event)
            assert event == decode_external(message)
            assert (event,) == read_notice(message, RECEIVED_NS)
            seen += 1
    assert seen > 30


if __name__ == "__main__":
    EXPECTED.write_text("\n".join(outcomes(Path(sys.argv[1]))) + "\n")
