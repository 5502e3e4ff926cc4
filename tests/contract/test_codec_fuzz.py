"""Real messages, altered: every decoder ends each with a record or a data error, in bounded memory and time.

The decoders run confined (:mod:`confined`), so that a crash or a hang is this test's failure. The alterations are drawn
from a fixed seed; ``TOCSIN_FUZZ_SEED`` and ``TOCSIN_FUZZ_COUNT`` hunt for new ones.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import make_schema_examples as made
import pytest
from confined import troubles
from skymaps import skymap

import schemas
from stream.codec import gwf_process
from stream.codec.alert import encode_alert_json
from stream.codec.arrow import encode_arrow
from stream.codec.gwf import encode_gwf, posix_cksum
from stream.codec.gwf_process import GwfProcess
from stream.codec.skymap import encode_skymap
from stream.errors import CodecError

SEED = int(os.environ.get("TOCSIN_FUZZ_SEED", "11"))
COUNT = int(os.environ.get("TOCSIN_FUZZ_COUNT", "400"))
ALLOWED = ("ok", "CodecError", "SchemaError")
# Numbers that formats state as lengths, counts, offsets and indices, as Avro writes them and in fixed width.
NUMBERS = [
    *(bytes([b]) for b in (0, 1, 2, 0x7F, 0x80, 0xFF)),
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xfe\xff\xff\xff\x0f",
    *(value.to_bytes(size, "little") for size in (2, 4, 8) for value in (0, 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)),
]


def altered(sound: bytes, rng: random.Random) -> bytes:
    """Return a message with one to four places changed, cut, doubled or filled with a telling number."""
    raw = bytearray(sound)
    for _ in range(rng.randint(1, 4)):
        # Formats keep what they claim near their beginning: half of the changes go there.
        at = rng.randrange(max(1, min(len(raw), 400) if rng.random() < 0.5 else len(raw)))
        length = rng.choice((1, 1, 2, 4, 8, 64))
        kind = rng.randrange(5)
        if kind == 0:
            raw[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            number = rng.choice(NUMBERS)
            raw[at : at + len(number)] = number
        elif kind == 2:
            del raw[at : at + length]
        elif kind == 3:
            raw[at:at] = raw[at : at + length] * rng.choice((1, 2, 30))
        else:
            raw[at:at] = rng.choice(NUMBERS)
    return bytes(raw[: rng.randrange(len(raw) + 1)] if rng.random() < 0.1 else raw)


def with_checksum(frame: bytes) -> bytes:
    """Return a frame whose checksum is right again: whoever means harm computes it."""
    return frame[:-4] + posix_cksum(frame[:-4]).to_bytes(4, "little") if len(frame) > 48 else frame


def same(payload: bytes) -> bytes:
    return payload


CORPUS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "alert": (schemas.example("alert", "1.3"), same),
    "received": (encode_alert_json(made.ALERT, {"gps_ns": made.STRAIN.gps_ns, "far_is_limit": True}), same),
    "strain": (schemas.example("strain", "1.0"), same),
    "witness": (schemas.example("witness", "1.0"), same),
    "decision": (schemas.example("decision", "1.0"), same),
    "external": (schemas.example("external", "1.0"), same),
    "heartbeat": (schemas.example("heartbeat", "1.0"), same),
    "arrow": (encode_arrow([made.STRAIN] * 2), same),
    "gwf": (encode_gwf(made.STRAIN), with_checksum),
    "skymap": (encode_skymap(skymap(rounds=0)), same),
}


@pytest.mark.parametrize("decoder", CORPUS)
def test_an_altered_message_is_a_record_or_a_data_error(decoder: str) -> None:
    """Of our own examples, every one in a few hundred alterations."""
    sound, finish = CORPUS[decoder]
    rng = random.Random(f"{SEED} {decoder}")
    count = COUNT // 4 if decoder == "gwf" else COUNT  # each that is refused costs a fork
    named = {f"{decoder} {SEED} #{k}": (decoder, finish(altered(sound, rng))) for k in range(count)}
    assert troubles(named, allowed=ALLOWED) == {}


def test_an_altered_alert_of_another_writer_is_a_record_or_a_data_error(data_dir: Path) -> None:
    """Of LVK's own messages, Avro and JSON, whose writer's schema is not ours."""
    folder = data_dir / "alerts" / "lvk_userguide"
    rng = random.Random(SEED)
    named: dict[str, tuple[str, bytes]] = {}
    for name in ("MS181101ab-retraction.avro", "MS181101ab-retraction.json"):
        sound = (folder / name).read_bytes()
        named |= {f"{name} {SEED} #{k}": ("received", altered(sound, rng)) for k in range(COUNT)}
    whole = (folder / "MS181101ab-ext-update.avro").read_bytes()
    named |= {f"update {SEED} #{k}": ("received", altered(whole, rng)) for k in range(10)}
    assert troubles(named, allowed=ALLOWED) == {}


def test_a_frame_that_crashes_its_reader_costs_itself_alone() -> None:
    """After each altered frame, whatever became of it, a sound one is read."""
    sound, finish = CORPUS["gwf"]
    rng, process = random.Random(SEED), GwfProcess()
    outcomes = []
    for _ in range(12):
        try:
            process.decode(finish(altered(sound, rng)), detector="H1", strain=None, state=None)
            outcomes.append("ok")
        except CodecError as error:
            outcomes.append("crashed" if "crashes its reader" in str(error) else "refused")
        (block,) = process.decode(sound, detector="H1", strain=None, state=None)
        assert block.gps_ns == made.STRAIN.gps_ns
    process.close()
    assert "crashed" in outcomes or "refused" in outcomes


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_reader_of_frames_that_is_gone_or_hangs_is_replaced(fault: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame of then is refused, the next one is read by another process."""
    sound, _ = CORPUS["gwf"]
    process = GwfProcess()
    process.decode(sound, detector="H1", strain=None, state=None)
    child = process._child
    assert child is not None
    os.killpg(child.pid, fault)
    monkeypatch.setattr(gwf_process, "_ANSWER_S", 0.3)
    with suppress(CodecError):
        process.decode(sound, detector="H1", strain=None, state=None)
    monkeypatch.undo()
    assert len(process.decode(sound, detector="H1", strain=None, state=None)) == 1
    assert child.poll() is not None
    arguments = [each.args for each in (child, process._child) if each is not None]
    folders = [Path(str(words[-1])) for words in arguments if isinstance(words, list)]
    assert len(folders) == 2
    process.close()
    assert [folder.exists() for folder in folders] == [False, False]


def test_the_alterations_reach_the_record() -> None:
    """Not everything is refused at the door: some altered messages still decode, so the rest was looked at too."""
    sound, _ = CORPUS["strain"]
    rng = random.Random(SEED)
    named = {str(k): ("strain", altered(sound, rng)) for k in range(100)}
    refused = troubles(named, allowed=("ok",))
    assert 10 < len(refused) < 100
