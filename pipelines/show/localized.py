"""What the follow-up found of archived strain: as a table, as JSON, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from pipelines.offline.localize import Localization
from stream.codec.skymap import encode_skymap
from stream.records import SkyMap
from stream.regions import area_text, credible_areas_deg2, distance_text
from stream.timebase import NS_PER_S, ns_to_gps_s


def as_dict(result: Localization, fits: Path) -> dict[str, Any]:
    """Return its JSON form; names are stable."""
    found, peer = result.found, result.peer
    return {
        "seconds": round(found.seconds, 4),
        "area90_deg2": found.area90_deg2,
        "area50_deg2": found.area50_deg2,
        "distance_mpc": found.distance_mpc,
        "detectors": list(result.skymap.detectors),
        "fits": str(fits),
        "peer": peer and {
            "name": peer.name,
            "seconds": round(peer.seconds, 4),
            "area90_deg2": peer.area90_deg2,
            "overlap": peer.overlap,
        },
    }  # fmt: skip


def write(result: Localization, folder: Path) -> dict[str, Path]:
    """Write the map, the peer's, and their picture; return the files by what they are."""
    from pipelines.show.skyplot import plot_skymap  # noqa: PLC0415 - loads matplotlib

    found, peer = result.found, result.peer
    assert found.skymap_fits is not None
    folder.mkdir(parents=True, exist_ok=True)
    stem = str(found.candidate.gps_ns // NS_PER_S)
    files = {"fits": folder / f"{stem}.multiorder.fits", "plot": folder / f"{stem}.png"}
    files["fits"].write_bytes(found.skymap_fits)
    names = [f"GPS {ns_to_gps_s(found.candidate.gps_ns):.2f}"]
    if peer is not None:
        files["peer"] = folder / f"{stem}.{peer.name}.multiorder.fits"
        files["peer"].write_bytes(encode_skymap(peer.skymap, seconds=peer.seconds))
        names.append(peer.name)
    plot_skymap(result.skymap, files["plot"], None if peer is None else peer.skymap, names)
    return files


def table(result: Localization) -> Table:
    """Return it for people."""
    found, peer = result.found, result.peer
    skymap = result.skymap
    out = Table(title=f"merger at GPS {ns_to_gps_s(found.candidate.gps_ns):.4f}, {'+'.join(skymap.detectors)}")
    out.add_column("")
    out.add_column("tocsin", justify="right")
    rows = {
        "time taken": [f"{found.seconds:.3f} s"],
        **{name: [area_text(area)] for name, area in _areas(skymap).items()},
        "distance": [distance_text(skymap)],
        "chirp mass, detector frame": [_chirp_mass(result)],
        "class": [_class(result)],
    }
    rows |= {f"SNR in {s.detector}": [f"{abs(s.snr).max():.1f}"] for s in result.series}
    if peer is not None:
        out.add_column(peer.name, justify="right")
        rows["time taken"].append(f"{peer.seconds:.3f} s, map alone")
        for name, area in _areas(peer.skymap).items():
            rows[name].append(area_text(area))
        rows["distance"].append(distance_text(peer.skymap))
        rows["overlap"] = ["", f"{peer.overlap:.4f}"]
    for name, cells in rows.items():
        out.add_row(name, *cells)
    return out


def _areas(skymap: SkyMap) -> dict[str, float]:
    return dict(zip(("50 % area", "90 % area"), credible_areas_deg2(skymap, [0.5, 0.9]), strict=True))


def _chirp_mass(result: Localization) -> str:
    mean, deviation = result.found.mchirp_msun, result.found.mchirp_std_msun
    return "unknown" if mean is None or deviation is None else f"{mean:.2f} ± {deviation:.2f} Msun"


def _class(result: Localization) -> str:
    source = result.found.source
    if source is None or source.classification is None:
        return f"unknown: {result.found.reasons.get('classification', 'not told')}"
    return ", ".join(f"{kind} {share:.2f}" for kind, share in source.classification.items() if share >= 0.005)
