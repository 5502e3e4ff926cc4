"""The checkpoint as a record, and the form of its file: a JSON header and arrays in one NumPy archive."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.networks.network import NetworkState
from stream.condition import ConditionerState
from stream.condition.psd import PsdState
from stream.denoise import EngineState, SpectraState
from stream.significance import RollingCounts

FORMAT = 3
_WITHOUT_LIVE_TIMES = 2
_SPECTRA = ("xx", "xd", "dd")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the file holds."""

    model: str
    conditioners: tuple[ConditionerState, ...]
    denoisers: dict[str, EngineState] = field(default_factory=dict)
    live: dict[tuple[str, ...], RollingCounts] = field(default_factory=dict)
    network: NetworkState = field(default_factory=NetworkState)


def pack(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header (JSON) and the arrays, named ``part/detector/what``."""
    arrays: dict[str, Any] = {}
    for c in checkpoint.conditioners:
        arrays |= {f"psd/{c.detector}/periodograms": c.psd.periodograms, f"psd/{c.detector}/times_ns": c.psd.times_ns}
    for name, d in checkpoint.denoisers.items():
        arrays[f"denoise/{name}/filters"] = d.filters
        arrays |= {f"denoise/{name}/{what}": getattr(d.spectra, what) for what in _SPECTRA}
    arrays |= {f"network/{name}": array for name, array in checkpoint.network.arrays.items()}
    header = {
        "format": FORMAT,
        "network": dict(checkpoint.network.values),
        "model": checkpoint.model,
        "live_window_s": next((counts.window_s for counts in checkpoint.live.values()), 0.0),
        "live": {",".join(key): counts.as_list() for key, counts in checkpoint.live.items()},
        "psd": {
            c.detector: {"input_rate_hz": c.input_rate_hz, "cleaned": c.cleaned} for c in checkpoint.conditioners
        },
        "denoise": {
            name: {
                "layout": d.layout, "strain_rate_hz": d.strain_rate_hz, "pairs": d.pairs, "gps_ns": d.gps_ns,
                "taps": d.taps, "is_open": d.is_open, "fits": d.fits, "power_ratio": d.power_ratio,
                "weight": d.spectra.weight, "weight2": d.spectra.weight2,
            }
            for name, d in checkpoint.denoisers.items()
        },
    }  # fmt: skip
    return header, arrays


def read(path: Path) -> Checkpoint:
    """Return what a file holds; one that cannot be read raises whatever its content brings up."""
    with path.open("rb") as opened, np.load(opened) as file:  # a broken archive is closed as well
        header = json.loads(file["header"].tobytes())
        if header["format"] not in (FORMAT, _WITHOUT_LIVE_TIMES):
            raise ValueError(f"format {header['format']}, not {FORMAT}")
        live = header["live"] if header["format"] == FORMAT else {}
        arrays = {name: file[name] for name in file.files}
    return Checkpoint(
        model=str(header["model"]),
        conditioners=tuple(
            ConditionerState(
                name,
                PsdState(arrays[f"psd/{name}/periodograms"], arrays[f"psd/{name}/times_ns"].astype(np.int64)),
                values["input_rate_hz"],
                bool(values["cleaned"]),
            )
            for name, values in header["psd"].items()
        ),
        denoisers={name: _denoiser(name, values, arrays) for name, values in header["denoise"].items()},
        live={tuple(key.split(",")): RollingCounts.from_list(header["live_window_s"], v) for key, v in live.items()},
        network=NetworkState(
            header.get("network", {}),  # older files have none
            {name.removeprefix("network/"): a for name, a in arrays.items() if name.startswith("network/")},
        ),
    )


def _denoiser(name: str, values: dict[str, Any], arrays: dict[str, Any]) -> EngineState:
    parts = {what: arrays[f"denoise/{name}/{what}"] for what in _SPECTRA}
    return EngineState(
        layout=tuple((int(rate), tuple(channels)) for rate, channels in values["layout"]),
        strain_rate_hz=int(values["strain_rate_hz"]),
        pairs=tuple((first, second) for first, second in values["pairs"]),
        gps_ns=int(values["gps_ns"]),
        taps=tuple(int(n) for n in values["taps"]),
        filters=arrays[f"denoise/{name}/filters"],
        is_open=bool(values["is_open"]),
        fits=int(values["fits"]),
        power_ratio=values["power_ratio"],
        spectra=SpectraState(weight=values["weight"], weight2=values["weight2"], **parts),
    )
