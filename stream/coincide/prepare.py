"""An external event's place as it is compared, prepared once, when its notice is heard: no alert waits for a stranger.

``ExternalEvent ─prepared→`` the same, with a sky map of few pixels where reading or drawing its own takes long. A map
of some million pixels in a message of 2 MB takes a second to read and many to compare; a polygon of 64 corners may
take two to draw. Whoever hears a notice pays for it; the first alert of a superevent, which is compared with those in
its window, reads small maps alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stream.codec.skymap import decode_skymap, encode_skymap, is_multi_order
from stream.coincide.coarsen import coarsened
from stream.coincide.draw import skymap_of
from stream.errors import CodecError
from stream.healpix import MAX_ORDER, area_sr, split_uniq
from stream.records import ExternalEvent, SkyMap
from stream.types import FloatArray, IntArray

MOST_PIXELS = 10_000
"""Of a map that is compared: 160 kB, and some milliseconds."""
_MOST_JOINED = 1 << 20
_IGNORED = (1e-4, 1e-2)


def prepared(external: ExternalEvent) -> ExternalEvent:
    """Return an external event whose map, if it has one now, is read and compared within milliseconds.

    A map of its own is brought to few pixels (:func:`lighter`), or left out where it cannot be read; corners, an
    ellipse and an annulus are drawn. A circle, which is drawn in milliseconds, and a point stay as they are.
    """
    if external.alert_type == "retraction":
        return replace(external, skymap=None)
    if external.skymap is not None:
        try:
            skymap = decode_skymap(external.skymap)
        except CodecError:
            return prepared(replace(external, skymap=None))
        if len(skymap.uniq) <= MOST_PIXELS and is_multi_order(external.skymap):
            return external
        return replace(external, skymap=encode_skymap(lighter(skymap)))
    drawn = skymap_of(external)
    costly = external.corners_deg or external.error_inner_deg is not None or external.error_minor_deg is not None
    return external if drawn is None or not costly else replace(external, skymap=encode_skymap(lighter(drawn)))


def lighter(skymap: SkyMap, most: int = MOST_PIXELS) -> SkyMap:
    """Return a map of at most so many pixels, without distances.

    Where it has more, its least probable pixels are joined first, 1e-4 of the probability, then 1e-2; then the finest
    pixels, whatever they hold.
    """
    uniq, density = _no_finer(skymap.uniq, skymap.probdensity, _MOST_JOINED)
    for ignored in _IGNORED:
        if len(uniq) > most:
            uniq, columns = coarsened(uniq, density[:, None], ignored)
            density = columns[:, 0]
    uniq, density = _no_finer(uniq, density, most)
    return replace(
        skymap, uniq=uniq, probdensity=density, distmu_mpc=None, distsigma_mpc=None, distnorm=None, distmean_mpc=None,
        diststd_mpc=None,
    )  # fmt: skip


def _no_finer(uniq: IntArray, density: FloatArray, most: int) -> tuple[IntArray, FloatArray]:
    """Return the pixels of a map in rising order, the finest joined until there are no more than so many."""
    order, index = split_uniq(uniq)
    by_place = np.argsort(index << (2 * (MAX_ORDER - order)), kind="stable")
    uniq, order, density = uniq[by_place], order[by_place], density[by_place]
    held = density * area_sr(order)
    finest = int(order.max())
    first = np.arange(len(uniq))
    while len(first) > most and finest > 0:
        finest -= 1
        joined = uniq >> (2 * np.maximum(order - finest, 0))
        first = np.flatnonzero(np.append(True, np.diff(joined) != 0))
        if len(first) <= most:
            density = np.add.reduceat(held, first) / area_sr(split_uniq(joined[first])[0])
            uniq = joined[first]
    rising = np.argsort(uniq)
    return uniq[rising], density[rising]
