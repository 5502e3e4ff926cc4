"""Each fault that a stream can have, and what the aligner makes of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from stream.align import Aligner, merge_masked
from stream.align.aligner import MAX_WAIT_HOPS
from stream.align.stats import DetectorStats
from stream.blocks import MAX_BLOCK_HOPS
from stream.records import AlignedSpan, DataQuality, StrainBlock, WitnessBlock, WitnessGroup
from stream.settings import AlignSettings, StrainSettings
from stream.timebase import HOP_NS, HOPS_PER_S

T0 = 1_126_259_446 * HOPS_PER_S  # in hops
GOOD = int(DataQuality.all_good())
LATENESS_HOPS = 8
ABSENT_HOPS = 32


def value(detector: str, hop: int) -> float:
    """A number that names a hop."""
    return (hop - T0) + 0.25 * ("H1", "L1", "V1").index(detector)


def strain(
    detector: str, hop: int, n_hops: int = 1, *, rate: int = 4096, dq: int = GOOD, sequence: int = 0
) -> StrainBlock:
    samples = np.repeat([value(detector, h) for h in range(hop, hop + n_hops)], rate // HOPS_PER_S).astype(np.float64)
    mask = np.full(n_hops, dq, dtype=np.uint32)
    return StrainBlock(detector, f"{detector}:GDS-CALIB_STRAIN", hop * HOP_NS, rate, samples, mask, sequence)


def witness(detector: str, hop: int, n_hops: int = 1) -> WitnessBlock:
    samples = np.repeat(np.arange(hop - T0, hop - T0 + n_hops), 512 // HOPS_PER_S).astype(np.float32)
    groups = (WitnessGroup(512, (f"{detector}:PEM-X", f"{detector}:PEM-Y"), np.stack([samples, -samples])),)
    return WitnessBlock(detector, hop * HOP_NS, n_hops * HOP_NS, groups)


def make(*detectors: str, witnesses: bool = False, **settings: float) -> Aligner:
    return Aligner(
        AlignSettings.model_validate(settings), StrainSettings(detectors=detectors or ("H1", "L1"), witnesses=witnesses)
    )


def run(aligner: Aligner, blocks: Iterable[StrainBlock | WitnessBlock], *, flush: bool = True) -> list[AlignedSpan]:
    spans = [span for block in blocks for span in aligner.push(block)]
    return spans + (aligner.flush() if flush else [])


def valid_hops(spans: list[AlignedSpan], detector: str) -> list[int]:
    """Valid hops of a detector after T0, having checked that spans are contiguous and samples are the right ones."""
    found: list[int] = []
    for before, after in itertools.pairwise(spans):
        assert before.end_ns == after.gps_ns
    for span in spans:
        assert len({(s.gps_ns, s.n_hops) for s in span.segments}) == 1
        segment = next(s for s in span.segments if s.detector == detector)
        rows = segment.samples.reshape(segment.n_hops, -1)
        for i, ok in enumerate(segment.valid):
            hop = segment.gps_ns // HOP_NS + i
            assert np.all(rows[i] == (value(detector, hop) if ok else 0.0))
            found += [hop - T0] if ok else []
    return found


def reasons(spans: list[AlignedSpan]) -> list[tuple[str, int, int, str]]:
    """Masked stretches, in hops after T0."""
    merged = merge_masked(m for span in spans for m in span.masked)
    return [(m.detector, m.gps_ns // HOP_NS - T0, m.end_ns // HOP_NS - T0, m.reason) for m in merged]


def both(hops: Iterable[int], n_hops: int = 1) -> list[StrainBlock]:
    return [strain(d, T0 + h, n_hops) for h in hops for d in ("H1", "L1")]


def detector_stats(aligner: Aligner, name: str) -> DetectorStats:
    return next(d for d in aligner.stats.detectors if d.detector == name)


@pytest.mark.parametrize("n_hops", [1, 4, 16, 64])
def test_block_lengths_do_not_change_what_comes_out(n_hops: int) -> None:
    """Blocks of 1/16 s to 4 s give the same samples, all valid, in spans of at most max_hops."""
    spans = run(make(max_hops=8), both(range(0, 128, n_hops), n_hops))
    assert list(range(128)) == valid_hops(spans, "H1") == valid_hops(spans, "L1")
    assert max(span.n_hops for span in spans) <= 8
    assert reasons(spans) == []


def test_a_hop_leaves_as_soon_as_everyone_has_it() -> None:
    """Past the start, the push that completes a hop returns it."""
    aligner = make()
    run(aligner, both(range(10)), flush=False)
    assert aligner.push(strain("H1", T0 + 10)) == []
    (span,) = aligner.push(strain("L1", T0 + 10))
    assert (span.gps_ns, span.n_hops) == ((T0 + 10) * HOP_NS, 1)


def test_nothing_leaves_before_the_first_lateness_so_that_the_start_may_move_back() -> None:
    """A block older than the very first one is still used."""
    order = [1, 0, *range(2, 20)]
    spans = run(make("H1"), [strain("H1", T0 + h) for h in order])
    assert valid_hops(spans, "H1") == list(range(20))


def test_missing_block_masks_its_hops_and_holds_the_other_only_for_lateness_and_a_block() -> None:
    """A lost block of L1 is a gap of L1 alone, and H1's hop leaves after lateness and one block of L1."""
    aligner = make()
    run(aligner, both(range(10)), flush=False)
    aligner.push(strain("H1", T0 + 10))
    waits = []
    for hop in range(11, 30):
        spans = run(aligner, both([hop]), flush=False)
        waits += [hop] if spans else []
        if spans:
            assert reasons(spans) == [("L1", 10, 11, "missing")]
            break
    assert waits == [10 + LATENESS_HOPS + 1 + 1]


def test_missing_block_is_a_gap_of_that_detector_alone() -> None:
    """H1 goes on through L1's gap."""
    blocks = [b for b in both(range(40)) if not (b.detector == "L1" and b.gps_ns == (T0 + 10) * HOP_NS)]
    spans = run(make(), blocks)
    assert valid_hops(spans, "H1") == list(range(40))
    assert valid_hops(spans, "L1") == [h for h in range(40) if h != 10]
    assert reasons(spans) == [("L1", 10, 11, "missing")]


def test_block_within_lateness_is_repaired() -> None:
    """A block that comes lateness after its time fills its hole, and is counted as repaired."""
    aligner = make()
    order = [*both(range(10)), strain("H1", T0 + 10)]
    order += [*both(range(11, 11 + LATENESS_HOPS)), strain("L1", T0 + 10), *both(range(15, 40))]
    spans = run(aligner, order)
    assert valid_hops(spans, "L1") == list(range(40))
    assert detector_stats(aligner, "L1").repaired == 1


def test_block_later_than_lateness_is_dropped_counted_and_named() -> None:
    """Too late is too late: the hop stays masked, and a statement says that its data came late."""
    aligner = make()
    order = [*both(range(10)), strain("H1", T0 + 10), *both(range(11, 24)), strain("L1", T0 + 10), *both(range(24, 40))]
    spans = run(aligner, order)
    assert valid_hops(spans, "L1") == [h for h in range(40) if h != 10]
    assert ("L1", 10, 11, "late") in reasons(spans)
    stats = detector_stats(aligner, "L1")
    assert (stats.dropped_late, stats.late_hops) == (1, 1)


def test_duplicates_change_nothing_even_after_release() -> None:
    """Every block twice, and some again long after: the same output, counted as duplicates and not as late."""
    aligner = make()
    blocks = [b for b in both(range(40)) for _ in range(2)] + both(range(5))
    spans = run(aligner, blocks)
    assert valid_hops(spans, "H1") == list(range(40))
    assert reasons(spans) == []
    stats = detector_stats(aligner, "H1")
    assert (stats.duplicates, stats.different_duplicates, stats.dropped_late) == (45, 0, 0)


def test_a_duplicate_that_differs_is_counted_and_the_first_wins() -> None:
    """Two stories about one hop: the first is kept."""
    aligner = make()
    other = strain("H1", T0 + 3)
    forged = StrainBlock("H1", other.channel, other.gps_ns, 4096, other.samples + 1, other.dq_mask)
    spans = run(aligner, [strain("H1", T0 + 3), forged, strain("L1", T0 + 3), *both(range(4, 20))])
    assert valid_hops(spans, "H1") == list(range(3, 20))
    assert detector_stats(aligner, "H1").different_duplicates == 1


def test_a_good_copy_replaces_a_bad_one() -> None:
    """A vetoed or damaged hop that has not left is healed by a good copy."""
    bad = strain("H1", T0 + 1)
    bad.samples[7] = np.nan
    spans = run(make(), [strain("H1", T0), bad, strain("H1", T0 + 1), strain("L1", T0, 2), *both(range(2, 10))])
    assert valid_hops(spans, "H1") == list(range(10))


def test_lost_block_shows_as_a_sequence_jump() -> None:
    """A producer's sequence that does not follow on is counted."""
    aligner = make("H1")
    run(aligner, [strain("H1", T0 + h, sequence=s) for h, s in [(0, 5), (1, 6), (3, 8), (4, 9)]])
    assert detector_stats(aligner, "H1").sequence_jumps == 1


def test_samples_that_are_not_finite_mask_their_hop_only() -> None:
    """One NaN masks one hop of a long block; the samples become zero."""
    blocks = both(range(0, 64, 16), 16)
    blocks[2].samples[5 * 256 + 3] = np.inf
    spans = run(make(), blocks)
    assert valid_hops(spans, "H1") == [h for h in range(64) if h != 21]
    assert reasons(spans) == [("H1", 21, 22, "not finite")]


@pytest.mark.parametrize("value", [1e12, 1e30, -1e300])
def test_samples_that_are_no_strain_mask_their_hop_only(value: float) -> None:
    """A value that would overflow in whitening, and leave the detector deaf for good, never gets there."""
    blocks = both(range(0, 64, 16), 16)
    blocks[2].samples[5 * 256 + 3] = value
    spans = run(make(), blocks)
    assert valid_hops(spans, "H1") == [h for h in range(64) if h != 21]
    assert reasons(spans) == [("H1", 21, 22, "implausible")]


def test_veto_names_the_bits_that_failed() -> None:
    """Hops whose required bits are not set are masked by name; bits that are not required do not matter."""
    blocks = both(range(0, 32, 16), 16)
    blocks[0].dq_mask[4:6] = GOOD & ~int(DataQuality.CBC_CAT2 | DataQuality.CBC_CAT3)
    blocks[0].dq_mask[8] = GOOD & ~int(DataQuality.BURST_CAT3)
    blocks[0].dq_mask[10] = 0
    spans = run(make(), blocks)
    assert reasons(spans) == [
        ("H1", 4, 6, "veto CBC_CAT2|CBC_CAT3"),
        ("H1", 10, 11, "veto DATA|CBC_CAT1|CBC_CAT2|CBC_CAT3"),
    ]
    assert valid_hops(spans, "L1") == list(range(32))


def test_wrong_rate_is_refused_and_masked_without_holding_anyone() -> None:
    """A block of another rate is known bad at once."""
    aligner = make()
    run(aligner, both(range(10)), flush=False)
    aligner.push(strain("H1", T0 + 10))
    (span,) = aligner.push(strain("L1", T0 + 10, rate=16384))
    assert reasons([span]) == [("L1", 10, 11, "wrong rate")]
    assert detector_stats(aligner, "L1").refused == (("wrong rate", 1),)


def test_a_rate_that_lasts_is_taken_up() -> None:
    """After 8 s of a new rate the detector switches, and its segments say so."""
    aligner = make()
    blocks = both(range(0, 32, 16), 16)
    for start in range(32, 32 + 12 * 16, 16):
        blocks += [strain("H1", T0 + start, 16), strain("L1", T0 + start, 16, rate=16384)]
    spans = run(aligner, blocks)
    assert valid_hops(spans, "H1") == list(range(224))
    assert valid_hops(spans, "L1") == [*range(32), *range(32 + 7 * 16, 224)]
    assert spans[-1].segments[1].sample_rate_hz == 16384
    assert len(spans[-1].segments[1].samples) == spans[-1].n_hops * 1024
    assert detector_stats(aligner, "L1").rate_changes == 1


def test_malformed_blocks_are_refused() -> None:
    """Off the grid, of broken length, longer than codecs pass, or of a rate off the grid: counted, nothing else."""
    aligner = make()
    good = strain("H1", T0)
    off_grid = StrainBlock("H1", "c", good.gps_ns + 1, 4096, good.samples, good.dq_mask)
    short = StrainBlock("H1", "c", good.gps_ns, 4096, good.samples[:-1], good.dq_mask)
    rate = StrainBlock("H1", "c", good.gps_ns, 4095, good.samples, good.dq_mask)
    long = strain("H1", T0, MAX_BLOCK_HOPS + 1)
    assert [aligner.push(b) for b in (off_grid, short, rate, long, strain("V1", T0))] == [[], [], [], [], []]
    assert detector_stats(aligner, "H1").refused == (("malformed", 4),)
    assert aligner.stats.unknown_detector_blocks == 1


def test_a_detector_that_vanishes_is_waited_for_no_longer_and_returns_by_itself() -> None:
    """L1 falls silent for 20 s and comes back: absent, not awaited, valid again from its return on."""
    aligner = make()
    blocks = [b for b in both(range(600)) if b.detector == "H1" or not 100 <= b.gps_ns // HOP_NS - T0 < 420]
    spans = run(aligner, blocks)
    assert valid_hops(spans, "H1") == list(range(600))
    lost = sorted(set(range(600)) - set(valid_hops(spans, "L1")))
    assert lost == list(range(100, 421))  # the first hop of its return had left without it
    assert {r for _, _, _, r in reasons(spans)} == {"missing", "absent", "late"}


def test_an_absent_detector_costs_no_latency() -> None:
    """Once L1 is absent, each push of H1 returns its hop."""
    aligner = make()
    run(aligner, both(range(10)), flush=False)
    run(aligner, [strain("H1", T0 + h) for h in range(10, 10 + ABSENT_HOPS + 10)], flush=False)
    assert not detector_stats(aligner, "L1").present
    (span,) = aligner.push(strain("H1", T0 + 10 + ABSENT_HOPS + 10))
    assert span.n_hops == 1


def test_a_detector_never_heard_is_awaited_once_for_absent_after() -> None:
    """Without L1, H1 flows after two seconds; its segments come with L1's, marked."""
    aligner = make()
    firsts = [h for h in range(60) if aligner.push(strain("H1", T0 + h))]
    assert firsts[0] == ABSENT_HOPS + 1
    spans = aligner.push(strain("H1", T0 + 60))
    assert reasons(spans) == [("L1", 60, 61, "not heard yet")]
    assert spans[0].segments[1].sample_rate_hz == 4096


def test_four_second_blocks_are_not_overdue_before_they_can_come() -> None:
    """A detector that sends 4 s blocks is awaited for one of them more than the lateness, once it was heard."""
    hops = range(0, 256, 64)
    blocks = sorted(
        [strain("H1", T0 + h) for h in range(256)] + [strain("L1", T0 + h, 64) for h in hops], key=lambda b: b.end_ns
    )
    spans = run(make(), blocks)
    assert valid_hops(spans, "L1") == list(range(64, 256))


def test_a_gap_of_everyone_is_followed_at_once_and_blames_nobody() -> None:
    """After 5 s without any data, both detectors are valid from their first block on."""
    spans = run(make(), both([*range(40), *range(120, 160)]))
    assert valid_hops(spans, "H1") == valid_hops(spans, "L1") == [*range(40), *range(120, 160)]
    assert reasons(spans) == [("H1", 40, 120, "missing"), ("L1", 40, 120, "missing")]


def test_one_bad_timestamp_does_not_move_the_network() -> None:
    """A block a day ahead is refused; the stream goes on in place."""
    aligner = make()
    blocks = [*both(range(20)), strain("H1", T0 + 86400 * 16), *both(range(20, 40))]
    spans = run(aligner, blocks)
    assert valid_hops(spans, "H1") == valid_hops(spans, "L1") == list(range(40))
    assert detector_stats(aligner, "H1").refused == (("clock jump", 1),)


def test_a_clock_that_stays_wrong_at_one_site_never_moves_the_others() -> None:
    """H1 a day ahead for good, in short blocks between L1's long ones: L1 goes on, H1 is absent."""
    aligner = make()
    ahead = 86_400 * 16
    blocks = both(range(0, 64, 16), 16)
    for h in range(64, 320):
        blocks.append(strain("H1", T0 + ahead + h))
        blocks += [strain("L1", T0 + h - 15, 16)] if h % 16 == 15 else []
    spans = run(aligner, blocks)
    assert valid_hops(spans, "L1") == list(range(320))
    assert valid_hops(spans, "H1") == list(range(64))
    assert aligner.stats.skips == 0


def test_a_long_gap_of_everyone_is_skipped_said_so_and_costs_no_data() -> None:
    """All jump ahead by a day: two masked seconds, a statement of the skip, and every block after it is used."""
    aligner = make()
    far = 86_400 * 16
    spans = run(aligner, both([*range(40), *range(far, far + 40)]))
    split = next(i for i, span in enumerate(spans) if span.gps_ns >= (T0 + far) * HOP_NS)
    assert valid_hops(spans[:split], "L1") == list(range(40))
    assert valid_hops(spans[split:], "L1") == valid_hops(spans[split:], "H1") == list(range(far, far + 40))
    assert ("H1", 72, far, "skipped") in reasons(spans)
    assert aligner.stats.skips == 1


def test_a_first_block_from_the_future_is_forgotten() -> None:
    """The very first block has a wrong time: the right ones, earlier, begin the timeline."""
    spans = run(make(), [strain("H1", T0 + 86_400 * 16), *both(range(30))])
    assert valid_hops(spans, "L1") == list(range(30))
    assert valid_hops(spans, "H1") == list(range(30))


@pytest.mark.parametrize("n_hops", [1, 16, 64])
@pytest.mark.parametrize("strain_first", [True, False])
def test_witnesses_travel_with_the_strain_of_the_same_hops(n_hops: int, strain_first: bool) -> None:
    """Whether they come just before or just after it, witnesses are attached; the start may lack some."""
    aligner = make("H1", witnesses=True)
    blocks: list[StrainBlock | WitnessBlock] = []
    for h in range(0, 128, n_hops):
        pair: list[StrainBlock | WitnessBlock] = [strain("H1", T0 + h, n_hops), witness("H1", T0 + h, n_hops)]
        blocks += pair if strain_first else pair[::-1]
    spans = run(aligner, blocks)
    later = [s.segments[0] for s in spans if s.gps_ns >= (T0 + 64) * HOP_NS]
    for segment in later:
        (group,) = segment.witnesses
        hop = segment.gps_ns // HOP_NS - T0
        assert np.array_equal(group.samples[0], np.repeat(np.arange(hop, hop + segment.n_hops), 32))


def test_witnesses_that_stop_hold_strain_for_one_hop_and_then_not_at_all() -> None:
    """Without witnesses strain still flows; their place is NaN or empty."""
    aligner = make("H1", witnesses=True)
    for h in range(20):
        run(aligner, [strain("H1", T0 + h), witness("H1", T0 + h)], flush=False)
    assert aligner.push(strain("H1", T0 + 20)) == []
    assert aligner.push(strain("H1", T0 + 21))[0].segments[0].gps_ns == (T0 + 20) * HOP_NS
    run(aligner, [strain("H1", T0 + h) for h in range(22, 80)], flush=False)
    (span,) = aligner.push(strain("H1", T0 + 80))
    assert span.gps_ns == (T0 + 80) * HOP_NS
    assert span.segments[0].witnesses == ()


def test_memory_is_bounded_when_one_detector_never_comes_and_lateness_is_large() -> None:
    """What is held never exceeds the stated wait, even with settings that ask for more."""
    aligner = make("H1", "L1", lateness_s=10, absent_after_s=1000)
    for h in range(0, 2000):
        aligner.push(strain("H1", T0 + h))
        stats = aligner.stats
        assert stats.watermark_ns is not None and stats.released_ns is not None
        assert (stats.watermark_ns - stats.released_ns) // HOP_NS <= MAX_WAIT_HOPS + 1
