"""Witness regression: subtract from strain what a detector's witness channels predict of it.

Stands between ``align`` and ``condition``. A causal multichannel Wiener FIR filter on the witness channels and on
declared products of them (the mains monitor times a slow alignment signal makes the line's sidebands). This is *linear
regression with declared bilinear regressors*, fitted on the running stream. It is not DeepClean: there is no network
here, and a coupling that is neither linear nor one of the declared products stays in. A network comes later.

Latency: none is added. Strain is not filtered at all; a prediction made from the past is subtracted from it. The way of
the prediction (witness rate up to strain's) delays it by some milliseconds, which the fit knows and makes up for where
the noise can be predicted that far, as lines can. Predictions reach up to 0.39 of the witness rate, and not beyond.

On the absolute GPS grid, whatever the lengths of the segments that come in: every 2 s the last 4 s join the spectra
(:mod:`stream.denoise.fit`) if they were whole; every ``update_s`` the guard judges and the filter is fitted anew, and
the output goes over to it within the following 1/4 s.

The guard: filters are believed only when they have not raised the whitened power, neither in the band as a whole nor by
more than a tenth in any 16 Hz of it, on the data that came after their fit. Until then, and from the next update on
whenever they do, raw strain passes, and :class:`DenoiseState` says why; the filter goes on in the shadow and may prove
itself again. Raw strain passes too when witnesses are missing, not finite, saturated or constant.

A checkpoint keeps what was learned (:meth:`WitnessRegression.kept`), up to ``MAX_KEPT_BYTES`` a detector. It is taken
up with the first witnesses that come, if channels, rates and settings are the same and it is not older than
``max_age_s`` in data time; strain is then cleaned again within a second. What does not fit is refused and named.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import structlog

from stream.denoise.engine import ACTIVE, MISSING, Engine
from stream.denoise.kept import EngineState
from stream.denoise.regressors import layout_of
from stream.records import Segment
from stream.settings import DenoiseSettings
from stream.timebase import NS_PER_S
from stream.units import STRAIN_SCALE

log = structlog.get_logger()

MAX_KEPT_BYTES = 32 << 20
"""More than this a checkpoint does not keep of one detector: 24 regressors at 2048 Hz need 20 MB."""

LATENCY_S = 0.0
"""Delay of strain through this stage."""

DISABLED = "disabled"
NO_WITNESSES = "no witnesses"
BAD_RATE = "witness rates do not fit the strain's"


@dataclass(frozen=True, slots=True)
class DenoiseState:
    """What the last hop saw.

    Attributes
    ----------
    active : bool
        Whether a prediction is subtracted.
    reason : str
        Why not; empty when active.
    power_ratio : float or None
        Whitened band power, cleaned over raw, on the data between the last two fits.
    fits, loud_segments, regressors, left_out : int
        Fits so far; segments refused for a transient; regressors in use, and those beyond the setting's limit.
    hops : tuple of (str, int)
        Hops so far by reason, the active ones under the empty name.
    """

    active: bool
    reason: str
    power_ratio: float | None
    fits: int
    loud_segments: int
    regressors: int
    left_out: int
    hops: tuple[tuple[str, int], ...]


class WitnessRegression:
    """Clean one detector's strain with its witnesses.

    Parameters
    ----------
    settings : DenoiseSettings
        Length of the filter, times of update and memory, bilinear pairs.
    """

    def __init__(self, settings: DenoiseSettings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._waiting: EngineState | None = None
        self._hops: Counter[str] = Counter()
        self._reason = NO_WITNESSES if settings.enabled else DISABLED

    @property
    def state(self) -> DenoiseState:
        """What the last hop saw."""
        engine = self._engine
        return DenoiseState(
            active=self._reason == ACTIVE,
            reason=self._reason,
            power_ratio=engine.power_ratio if engine else None,
            fits=engine.fits if engine else 0,
            loud_segments=engine.loud_segments if engine else 0,
            regressors=engine.bank.n_regressors if engine else 0,
            left_out=engine.bank.left_out if engine else 0,
            hops=tuple(sorted(self._hops.items())),
        )

    def kept(self) -> EngineState | None:
        """Return what a checkpoint keeps; None where nothing was learned, or it is too large."""
        engine = self._engine
        if engine is None:
            return self._waiting
        return engine.state() if engine.usable and engine.state_bytes <= MAX_KEPT_BYTES else None

    def restore(self, state: EngineState) -> None:
        """Take up a checkpoint, once the witnesses that it is of are there."""
        self._waiting = state

    def step(self, segment: Segment) -> Segment:
        """Return the segment with what the witnesses predict taken off; the same one where nothing is.

        Samples of invalid hops stay zero.
        """
        if not self._settings.enabled:
            return self._pass(segment, DISABLED)
        if not segment.witnesses:
            return self._pass(segment, MISSING if self._engine else NO_WITNESSES)
        engine = self._engine_for(segment)
        if not engine.usable:
            return self._pass(segment, BAD_RATE)
        prediction, reasons = engine.step(segment)
        self._hops.update(reasons)
        self._reason = reasons[-1]
        if not prediction.any():
            return segment
        prediction *= np.repeat(segment.valid, len(segment.samples) // segment.n_hops)
        cleaned = np.array([reason == ACTIVE for reason in reasons])
        return replace(segment, samples=segment.samples - prediction / STRAIN_SCALE, cleaned=cleaned)

    def _pass(self, segment: Segment, reason: str) -> Segment:
        self._hops[reason] += segment.n_hops
        self._reason = reason
        if self._engine is not None:
            self._engine.skip(segment)
        return segment

    def _engine_for(self, segment: Segment) -> Engine:
        """Return the engine of these channels and rates, a new one where they have changed."""
        layout = layout_of(segment.witnesses)
        engine = self._engine
        if engine is None or (engine.bank.layout, engine.strain_rate_hz) != (layout, segment.sample_rate_hz):
            engine = self._engine = Engine(layout, segment.sample_rate_hz, self._settings)
            self._take_up(engine, segment)
        return engine

    def _take_up(self, engine: Engine, segment: Segment) -> None:
        """Give a new engine what was kept, if it fits."""
        kept, self._waiting = self._waiting, None
        if kept is None:
            return
        try:
            if not engine.usable:
                raise ValueError(BAD_RATE)
            age_s = abs(segment.gps_ns - kept.gps_ns) / NS_PER_S
            if age_s > self._settings.max_age_s:
                raise ValueError(f"it is {age_s:.0f} s old; denoise.max_age_s is {self._settings.max_age_s:g}")
            engine.restore(kept)
        except ValueError as error:
            log.warning(
                "denoiser_state_refused", detector=segment.detector, error=str(error), remedy="it is learned anew"
            )
