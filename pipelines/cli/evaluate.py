"""What measures the search: ``evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from pipelines.cli.chance import coincidences
from pipelines.cli.common import Config, Detectors, Json, log_for, number, settings_from, show

evaluate_app = typer.Typer(help="What the search is worth, measured on simulated data.", no_args_is_help=True)
evaluate_app.command("coincidences")(coincidences)


class Peer(StrEnum):
    """Searches by others."""

    PYCBC = "pycbc"


class SkyPeer(StrEnum):
    """Sky maps by others."""

    BAYESTAR = "bayestar"


@evaluate_app.command("sensitivity")
def sensitivity(
    out: Annotated[Path, typer.Option(help="Folder of the report; what it already holds is not searched again.")],
    model: Annotated[list[str] | None, typer.Option(help="Model, by name or folder (with a slash); repeat.")] = None,
    peer: Annotated[list[Peer] | None, typer.Option(help="Another search of the same data.")] = None,
    bank: Annotated[Path | None, typer.Option(help="The peer's templates: PyCBC's HDF5, or npz.")] = None,
    injections: Annotated[int, typer.Option(help="How many binaries, from network SNR 4.5 up.", min=20)] = 2000,
    years: Annotated[float, number("Background of each search, in years.", 0.001, 100)] = 3.0,
    masses: Annotated[tuple[float, float], typer.Option(help="Component masses in Msun, detector frame.")] = (
        7.0,
        50.0,
    ),
    precessing: Annotated[bool, typer.Option(help="Isotropic spins, and not their aligned parts alone.")] = False,
    spectrum: Annotated[str, typer.Option(help="Spectrum of the noise by name, or random.")] = "aLIGO_O4",
    glitches: Annotated[bool, typer.Option(help="With glitches, as often as at L1 in O3a.")] = False,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 1,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=2)] = 2,
    as_json: Json = False,
) -> None:
    """How far each model sees at a false-alarm rate, as a fraction of a known template's matched filter.

    Binaries of a population uniform in volume are added to simulated H1 and L1, and searched by the loop that is live.
    Every search's false-alarm rates come from slides of the same data without them. The folder gets figures
    (sensitivity.json) and curves (sensitivity.png). Stopped, it goes on where it was.

    Examples
    --------
      tocsin evaluate sensitivity --out sensitivity --model first --injections 400 --years 1

      tocsin evaluate sensitivity --out glitches --model first --model models/mine/ --glitches --json
    """
    from pipelines.evaluate.model import ModelSearch
    from pipelines.evaluate.population import Population
    from pipelines.evaluate.pycbc_peer import PycbcSearch
    from pipelines.evaluate.scene import O3A_GLITCH_RATE_HZ, SceneConfig
    from pipelines.evaluate.searched import Searcher
    from pipelines.evaluate.sensitivity import evaluate, plan
    from pipelines.progress import progress

    log_for("warning")
    scene = SceneConfig(
        seed=seed,
        spectrum=spectrum,
        glitch_rate_hz=O3A_GLITCH_RATE_HZ if glitches else 0.0,
        population=Population((masses[0], masses[1]), precessing),
    )
    searchers: list[Searcher] = [ModelSearch.of(name) for name in model or ([] if peer else ["carillon"])]
    searchers += [PycbcSearch.of(bank) for _ in peer or ()]
    with progress("stretches searched", "") as shown:
        measured = evaluate(plan(scene, injections, years), searchers, out, shown, workers)
    show(measured.summary) if as_json else _sensitivity_table(measured.summary, measured.report["details"])


def _sensitivity_table(summary: dict[str, Any], details: dict[str, Any]) -> None:
    table = Table(title="sensitivity")
    for title in ("search", "FAR", "rho_eff", "of the limit", "of it, lightest tenth", "found", "background"):
        table.add_column(title)
    for name, row in summary.items():
        for far, rho in row["rho_eff"].items():
            if rho is None:
                table.add_row(name, far, "-", "-", "-", "-", f"{row['background_s'] / 31_557_600:.2f} years")
                continue
            light = details[name][far]["lightest_tenth"]["fraction_of_limit"]
            table.add_row(
                name,
                far,
                f"{rho:.2f}",
                f"{row['fraction_of_limit'][far]:.3f} ± {row['error'][far]:.3f}",
                "-" if light is None else f"{light:.2f}",
                f"{row['found'][far]} of {row['injections']}",
                f"{row['background_s'] / 31_557_600:.2f} years",
            )
    Console().print(table)


@evaluate_app.command("mlgwsc")
def mlgwsc(
    out: Annotated[Path, typer.Option(help="Folder of results; what it already holds is not searched again.")],
    model: Annotated[list[str] | None, typer.Option(help="Model, by name or folder (with a slash); repeat.")] = None,
    dataset: Annotated[int, typer.Option(help="1 to 3.", min=1, max=3)] = 1,
    hours: Annotated[float, number("Hours of data, filled up to stretches of two.", 0.1, 800)] = 10.0,
    spectra: Annotated[
        Path | None, typer.Option(help="The challenge's spectra (H1/psd-0.hdf ...), for 2 and 3.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 1,
    as_json: Json = False,
) -> None:
    """How far models see by the rules of MLGWSC-1 (arXiv:2209.11146), beside the published distances.

    Its data are made anew from a seed, a few hours instead of a month; false-alarm rates come from slides of them.

    Examples
    --------
      tocsin evaluate mlgwsc --out mlgwsc --dataset 1 --hours 4 --model carillon
    """
    from pipelines.evaluate.mlgwsc import Entry, measure, spectra_folder
    from pipelines.evaluate.model import ModelSearch
    from pipelines.progress import progress

    log_for("warning")
    entry = Entry.of(dataset, hours, seed, spectra_folder(spectra))
    with progress("stretches searched", "") as shown:
        made = measure(entry, [ModelSearch.of(name) for name in model or ["carillon"]], out, shown)
    show(made) if as_json else _mlgwsc_table(made)


def _mlgwsc_table(made: dict[str, Any]) -> None:
    table = Table("search", "FAR", "sensitive distance in Mpc", "found", title=f"MLGWSC-1, dataset {made['dataset']}")
    for name, row in made["ours"].items():
        for far, reach in row["sensitive_distance"].items():
            far_away = "-" if reach is None else f"{reach['distance_mpc']} ± {reach['error_mpc']}"
            table.add_row(name, far, far_away, "-" if reach is None else f"{reach['found']} of {row['injections']}")
    known = made["known_template_at_1/month"]
    far_away = f"{known['distance_mpc']} ± {known['error_mpc']}"
    table.add_row("a known template", "1/month", far_away, str(known["found"]))
    for name, distance_mpc in made["published_mpc_at_1/month"].items():
        table.add_row(f"{name}, published", "1/month", str(distance_mpc), "")
    Console().print(table)


@evaluate_app.command("skymaps")
def skymaps(
    out: Annotated[Path, typer.Option(help="Folder of the report; the peer's maps in it are not made again.")],
    injections: Annotated[int, typer.Option(help="How many binaries, of four kinds in turn.", min=8)] = 300,
    peer: Annotated[SkyPeer | None, typer.Option(help="Whose maps stand beside ours.")] = None,
    peer_limit: Annotated[
        int | None, typer.Option(help="Have the peer make maps of the first so many only; more count if kept.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 1,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Are sky maps true? Localize injections in two and three detectors, beside BAYESTAR on the same SNR series.

    Black holes of 8 to 60 Msun and binaries with a neutron star, isotropic and uniform in volume, measured network SNR
    of 8 or more. The folder gets figures (report.json), P-P curves (pp.png) and maps of a few side by side.

    Examples
    --------
      tocsin evaluate skymaps --injections 300 --peer bayestar --out skymaps

      tocsin evaluate skymaps --injections 1000 --out calibration --json
    """
    from pipelines.evaluate.skymaps import SkymapsConfig, measure
    from pipelines.progress import progress

    settings = settings_from(config, None, None).localize
    with progress("localized", "injections") as shown:
        report = measure(SkymapsConfig(injections, seed, peer is not None, peer_limit, settings), out, shown)
    if as_json:
        show({name: report[name] for name in ("summary", "gw170817_like", "machine", "settings")})
    else:
        _skymaps_table(report["summary"])
        Console().print("GW170817-like:", report["gw170817_like"], "\nmachine:", report["machine"])


def _skymaps_table(summary: dict[str, Any]) -> None:
    titles = (
        "",
        "n",
        "P-P: KS, p",
        "factor 1: KS, p",
        "95 % band",
        "searched deg2",
        "distance",
        "factor 1",
        "p50, p99 s",
    )
    table = Table(*titles, title="sky maps")
    beside = Table(
        "", "maps", "overlap: median, p5", "searched", "50 %, 90 % area", "distance, std", "p50, p99 s", "times slower",
        title="beside BAYESTAR: ours over its, medians",
    )  # fmt: skip
    for name, row in summary.items():
        pp = [f"{row[k]['ks']:.3f}, {row[k]['p']:.3f}" for k in ("pp", "pp_factor_1")]
        far = [f"{row[k]['mean_over_truth']:.3f} ± {row[k]['error']:.3f}" for k in ("distance", "distance_factor_1")]
        took = f"{row['seconds']['p50']:.3f}, {row['seconds']['p99']:.3f}"
        table.add_row(
            name, str(row["injections"]), *pp, f"{row['pp']['band95']:.3f}", f"{row['searched_deg2']:.1f}", *far, took
        )
        if (them := row["peer"]) is not None:
            ratio = them["median_ratio"]
            beside.add_row(
                name, str(them["maps"]), f"{them['overlap']['median']:.4f}, {them['overlap']['p5']:.4f}",
                f"{ratio['searched_deg2']:.3f}", f"{ratio['area50_deg2']:.3f}, {ratio['area90_deg2']:.3f}",
                f"{ratio['distance_mpc']:.3f}, {ratio['distance_std_mpc']:.3f}",
                f"{them['seconds']['p50']:.1f}, {them['seconds']['p99']:.1f}", f"{them['times_faster']:.0f}",
            )  # fmt: skip
    Console().print(table)
    if beside.row_count:
        Console().print(beside)


@evaluate_app.command("background")
def background(
    hours: Annotated[float, number("Hours of data.", 0.05, 1000)] = 3.0,
    source: Annotated[Literal["shipped", "live"], typer.Option(help="Which background gives the FARs.")] = "shipped",
    seed: Annotated[int, typer.Option(help="Seed of noise and glitches.", min=0)] = 1512,
    mergers_every: Annotated[
        float | None, number("Instead: is the live background free of mergers every so many seconds?", 4, 3600)
    ] = None,
    measure: Annotated[str | None, typer.Option(help="Instead: measure this model's background and ship it.")] = None,
    work: Annotated[Path, typer.Option(help="Folder of what is measured already; with --measure.")] = Path(
        "background-work"
    ),
    detectors: Detectors = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Are the false-alarm rates true? Search signal-free noise with glitches, and count what rings.

    Events at a FAR of f or less are Poisson with mean f times the time heard; the table shows it over three decades.

    Examples
    --------
      tocsin evaluate background --hours 3 --json

      tocsin evaluate background --hours 1 --mergers-every 20

      tocsin evaluate background --measure ./my-model/ --work /tmp/work
    """
    from pipelines.evaluate.background import default_config
    from pipelines.evaluate.background import measure as measure_background
    from pipelines.evaluate.mergers import compare
    from pipelines.evaluate.poisson import count_events
    from pipelines.progress import progress
    from stream.infer import open_model

    settings = settings_from(config, None, detectors)
    if measure is not None:
        with progress("measured", "stretches") as shown:
            card = open_model(measure, to_be_measured=True)
            made = measure_background(card, default_config(card), work, shown)
        years = {name: c["curves"][0]["duration_s"] / 31_557_600 for name, c in made["sets"].items()}
        show({"model": made["model"], "years": {name: round(y, 4) for name, y in years.items()}})
    elif mergers_every is not None:
        with progress("searched", "h") as shown:
            compared = compare(settings, hours, mergers_every, seed, shown)
        if not as_json:
            for name, rows in compared["sets"].items():
                _counts_table(f"live background of {name}", rows, ("statistic", "expected", "observed", "error"))
        show(compared)
    else:
        with progress("searched", "h") as shown:
            result = count_events(settings, hours, seed, source, shown).as_dict()
        if not as_json:
            _counts_table(f"events in {result['heard_s']:.0f} s", result, ("far_hz", "expected", "observed", "error"))
        show(result)


@evaluate_app.command("foreground")
def foreground(
    model: Annotated[str, typer.Argument(help="Model, by name or folder (with a slash); it needs its background.")],
    stretches: Annotated[int, typer.Option(help="Stretches of 4096 s, 502 binaries in each.", min=1, max=50)] = 2,
    work: Annotated[Path, typer.Option(help="Folder of what is measured already.")] = Path("background-work"),
) -> None:
    """Measure how often signals of each ranking statistic come, from which p_astro is made, and ship it.

    Examples
    --------
      tocsin evaluate foreground ./my-model/ --work /tmp/work
    """
    from pipelines.evaluate.foreground import ForegroundConfig, measure_foreground
    from pipelines.progress import progress
    from stream.infer import open_model

    with progress("searched", "stretches") as shown:
        made = measure_foreground(open_model(model), ForegroundConfig(stretches=stretches), work, shown)
    show(made)


@evaluate_app.command("classes")
def classes(
    out: Annotated[Path, typer.Option(help="Folder of the report; what it already holds is not searched again.")],
    model: Annotated[str, typer.Option(help="Matched-filter network, by name or folder (with a slash).")] = "carillon",
    injections: Annotated[int, typer.Option(help="How many binaries.", min=20)] = 300,
    faintest: Annotated[float, number("Network SNR of the faintest.", 6, 40)] = 8.0,
    glitches: Annotated[bool, typer.Option(help="With glitches, as often as at L1 in O3a.")] = False,
    seed: Annotated[int, typer.Option(help="Seed.", min=0)] = 1,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=2)] = 2,
    as_json: Json = False,
) -> None:
    """Are the classes and properties of alerts true? Binaries of all classes, searched and followed as live.

    The population has GWTC-4.0's rates. What the model's bank does not hold is hardly heard: beside what the search
    found stands what the same follow-up tells of every binary when its template is given. The folder gets report.json
    and reliability.png. Stopped, it goes on where it was.

    Examples
    --------
      tocsin evaluate classes --out classes --injections 300
    """
    from pipelines.evaluate.classes import ClassesConfig, evaluate
    from pipelines.evaluate.scene import O3A_GLITCH_RATE_HZ
    from pipelines.progress import progress

    log_for("warning")
    config = ClassesConfig(model, injections, faintest, seed, O3A_GLITCH_RATE_HZ if glitches else 0.0)
    with progress("stretches searched", "") as shown:
        report = evaluate(config, out, shown, workers)
    show(report) if as_json else _classes_table(report)


def _classes_table(report: dict[str, Any]) -> None:
    for how in ("searched", "given"):
        found = report[how]
        table = Table("class", "heard a year", "injected", "rang", "told as", title=f"{how}: classes")
        for name, row in found["by_class"].items():
            told = ", ".join(f"{most} {count}" for most, count in row["told_as"].items())
            heard = str(report["heard_per_year"].get(name, "-"))
            table.add_row(name, heard, str(row["injected"]), str(row["rang"]), told)
        Console().print(table)
        table = Table("probability of", "candidates", "Brier score", "as heard", title=f"{how}: probabilities")
        for name, row in found["probabilities"].items():
            table.add_row(name, *(str(row[key]) for key in ("count", "brier", "brier_as_heard")))
        Console().print(table)
        agreement, nulls = found["agreement"], found["nulls"]
        asked = {"class": "class", "class_or_noise": "class, and more probable than noise"}
        for key in asked if how == "searched" else ["class"]:
            row = agreement[key]
            Console().print(
                f"{how}: {asked[key]} agrees with the truth for {row['agree']} of {agreement['with_class']} signals "
                f"that rang ({row['share']}; as often as they come {row['share_as_heard']})"
            )
        Console().print(f"{how}: null {nulls['classification']} classifications, {nulls['properties']} properties")


def _counts_table(title: str, columns: dict[str, list[float]], names: tuple[str, ...]) -> None:
    table = Table(*names, title=title)
    for row in zip(*(columns[name] for name in names), strict=True):
        table.add_row(*(f"{value:.4g}" for value in row))
    Console().print(table)
