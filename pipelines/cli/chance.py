"""Whether joint false-alarm rates are true: ``evaluate coincidences``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipelines.cli.common import Config, Json, number, settings_from, show


def coincidences(
    years: Annotated[float, number("Years of unrelated events; there is one pair in dozens of them.", 1, 1e6)] = 1e4,
    sky_pairs: Annotated[int, typer.Option(help="Pairs of each kind whose sky maps are compared.", min=1)] = 1000,
    times_only: Annotated[bool, typer.Option("--times-only", help="Leave the sky out.")] = False,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 1,
    plot: Annotated[Path | None, typer.Option(help="Picture of both, a PNG.")] = None,
    raven: Annotated[
        bool, typer.Option("--raven", help="Instead: rates and overlaps beside ligo-raven's, and GW170817.")
    ] = False,
    skymap: Annotated[Path | None, typer.Option(help="LVK's map of GW170817 (FITS); with --raven.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Are joint false-alarm rates true? Count what coincides of events that have nothing to do with each other.

    GW candidates (2 a day) and external events of each search at its rate are drawn for many years, since a pair is
    rare. Coincidences with a joint FAR of f or less are Poisson with mean f times the time; the table shows it.

    Examples
    --------
      tocsin evaluate coincidences --years 10000 --plot coincidences.png

      tocsin evaluate coincidences --raven --skymap GW170817_prelim.fits.gz --json
    """
    from pipelines.evaluate.chance import Sky, gw_maps, measure
    from pipelines.evaluate.chance_picture import plot_chance
    from pipelines.progress import progress

    settings = settings_from(config).external
    if raven:
        _beside_raven(skymap, as_json)
        return
    with progress("kinds of searches", "") as shown:
        sky = Sky() if times_only else Sky(gw_maps(12, seed), sky_pairs)
        report = measure(years, seed, sky, settings, shown)
    if plot is not None:
        plot_chance(report, plot)
    show(report) if as_json else _chance_tables(report)


def _chance_tables(report: dict[str, Any]) -> None:
    console = Console()
    titles = ("joint FAR, Hz", "expected", "observed", "p")
    for found in report["searches"]:
        spread = found["dispersion"]
        over = "" if spread is None else f"; variance over mean {spread['variance_over_mean']:.2f}, p {spread['p']:.2f}"
        table = Table(*titles, title=f"{found['kind']}, {found['years']:,.0f} years: {found['pairs']} pairs{over}")
        for row in found["time"]:
            table.add_row(f"{row['far_hz']:.2g}", f"{row['expected']:.1f}", str(row["observed"]), f"{row['p']:.3f}")
        console.print(table)
        if (sky := found["sky"]) is None:
            continue
        mean = f"overlap {sky['overlap_mean']:.2f} ± {sky['overlap_mean_error']:.2f}"
        table = Table(
            titles[0], "at most", *titles[1:], title=f"with the sky, {sky['years']:,.0f} years: {sky['pairs']}; {mean}"
        )
        for row in sky["joint"]:
            limits = (f"{row['at_most']:.1f}", f"{row['expected']:.1f}")
            table.add_row(f"{row['far_hz']:.2g}", *limits, str(row["observed"]), f"{row['p']:.3f}")
        console.print(table)


def _beside_raven(skymap: Path | None, as_json: bool) -> None:
    from pipelines.evaluate.raven_grid import beside_raven
    from stream.errors import ConfigurationError

    if skymap is not None and not skymap.is_file():
        raise ConfigurationError(f"{skymap} is no file: name LVK's map of GW170817")
    found = beside_raven(None if skymap is None else skymap.read_bytes())
    if as_json:
        show(found)
        return
    table = Table("search", "mission", "window, s", "FAR GW, Hz", "FAR ext, Hz", "ours, Hz", "RAVEN, Hz", "apart")
    for row in found["rates"]:
        ext = "-" if row["far_ext_hz"] is None else f"{row['far_ext_hz']:.2g}"
        window = f"{row['window_s'][0]:g} … {row['window_s'][1]:g}"
        rates = (f"{row['ours_hz']:.9e}", f"{row['raven_hz']:.9e}", f"{row['apart']:.1e}")
        table.add_row(row["search"], row["mission"], window, f"{row['far_gw_hz']:.3g}", ext, *rates)
    console = Console()
    console.print(table)
    if found["overlaps"]:
        table = Table("RA, Dec", "radius, deg", "ours", "RAVEN, same pixels", "apart", "RAVEN, nearest pixel")
        for row in found["overlaps"]:
            values = (f"{row['ours']:.9g}", f"{row['raven']:.9g}", f"{row['apart']:.1e}")
            place = f"{row['ra_deg']:g}, {row['dec_deg']:g}"
            table.add_row(place, f"{row['radius_deg']:g}", *values, f"{row['raven_nearest_pixel']:.6g}")
        console.print(table)
    console.print("GW170817 and GRB 170817A:", found["gw170817"])
