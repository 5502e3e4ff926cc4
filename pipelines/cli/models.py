"""The networks: ``models list``, ``show``, ``verify``, ``build``, ``promote``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.common import Config, Json, log_for, number, settings_from, show, whoever
from stream.errors import TocsinError
from stream.text import clean

if TYPE_CHECKING:
    from stream.infer import ModelCard

models_app = typer.Typer(help="The networks that search: which there are, what they are worth.", no_args_is_help=True)

_YEAR_S = 31_557_600
_Name = Annotated[str, typer.Argument(help="Model, by name, or by folder (with a slash).", show_default=False)]


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """List the models that ship, with the length of each one's background.

    Example:

      tocsin models list
    """
    from stream.infer import model_names, open_model

    found = [_about(open_model(name)) for name in model_names()]
    if as_json:
        show([{key: value for key, value in one.items() if key != "card"} for one in found])
        return
    for one in found:
        typer.echo(f"{one['label']:<14} {one['kind']:<11} background: {_background(one['background_s'])}")


@models_app.command("show")
def models_show(
    name: Annotated[str | None, typer.Argument(help="Model, by name or folder; without it the one in force.")] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show a model's card: what it covers, keeps and costs, and how it was made.

    In force is what the daemon of this configuration runs: the model that was promoted, or infer.model.

    Examples
    --------
      tocsin models show carillon

      tocsin models show ./mine/ --json
    """
    from stream.infer import open_model

    card = open_model(name or _in_force(config))
    about = _about(card)
    if as_json:
        show(about)
        return
    typer.echo(f"# {about['identity']}, {card.kind}, in {card.folder}")
    typer.echo(f"# background: {_background(about['background_s'])}\n")
    typer.echo((card.folder / "card.toml").read_text(), nl=False)


@models_app.command("verify")
def models_verify(
    name: Annotated[str | None, typer.Argument(help="Model, by name or folder; without it all that ship.")] = None,
    as_json: Json = False,
) -> None:
    """Compare a model's files with the hashes in its card, and its background with its network; exit code 1 if not so.

    Examples
    --------
      tocsin models verify

      tocsin models verify ./mine/
    """
    from stream.infer import model_names

    found = [_verified(one) for one in ([name] if name is not None else model_names())]
    if as_json:
        show(found)
    else:
        for one in found:
            typer.echo(f"ok   {one['model']}: {one['files']} files" if one["ok"] else f"FAIL {one['problem']}")
    if not all(one["ok"] for one in found):
        raise typer.Exit(1)


@models_app.command("build")
def models_build(
    out: Annotated[Path, typer.Option(help="Folder to make; its name is the model's.")],
    seed: Annotated[
        int | None, typer.Option(help="Seed; without it those of the network that ships.", min=0, max=2**32 - 1)
    ] = None,
    templates: Annotated[int, typer.Option(help="Templates of the bank.", min=8, max=2000)] = 200,
    as_json: Json = False,
) -> None:
    """Make a matched-filter network from a seed: bank, graph, extrinsic tables, glitch term, card.

    It takes some minutes of one core. Nothing is trained but the coefficients of the glitch term. Stopped, it goes on
    where it was. It needs the extra 'train', for the graph.

    Examples
    --------
      tocsin models build --out mine --seed 5 --templates 100

      tocsin evaluate sensitivity --out sensitivity --model ./mine/
    """
    from pipelines.train.build import BuildConfig, build
    from stream.infer import open_model

    log_for("warning")
    build(out, BuildConfig.of(seed, templates), lambda text: typer.echo(text, err=True))
    about = _about(open_model(f"{out.absolute()}/"))
    show(about) if as_json else typer.echo(f"{about['identity']} is in {out}; see tocsin models show {out}/")


@models_app.command("promote")
def models_promote(
    name: _Name,
    who: Annotated[str | None, typer.Option(help="Who wants it; without it your user name and this machine's.")] = None,
    wait: Annotated[float, number("Seconds to wait until it is live.", 1, 3600)] = 120.0,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Let the running daemon go over to a model, without a gap and without a doubled alert.

    Run it where the daemon runs, as its user, with its configuration: it is asked through daemon.state_dir. The model
    searches beside the live one until it hears as that does, then takes over between two spans of data. A restart
    comes up with it, until another is promoted or infer.model is changed. Exit code 1 if it is broken or has no
    background: the one before stays live.

    Examples
    --------
      tocsin models promote carillon --config tocsin.toml

      docker compose -f docker/compose.yaml exec tocsin tocsin models promote carillon
    """
    from pipelines.live.promote import promote

    settings = settings_from(config)
    answer = promote(settings, name, who or whoever(), wait, lambda text: typer.echo(clean(text), err=True))
    show({"live": answer.live, "detail": answer.detail}) if as_json else typer.echo(f"{clean(answer.live)} is live")


def _in_force(config: Path | None) -> str:
    from pipelines.live.promotion import in_force

    return in_force(settings_from(config)).infer.model


def _about(card: ModelCard) -> dict[str, Any]:
    """Return what is known of a model, as JSON has it."""
    from stream.significance import load_shipped

    return {
        "name": card.name,
        "version": card.version,
        "label": card.label,
        "kind": card.kind,
        "identity": card.identity,
        "folder": str(card.folder),
        "background_s": {name: known.duration_s for name, known in load_shipped(card).items()},
        "card": card.about,
    }


def _background(durations_s: dict[str, float]) -> str:
    """Return how long each set's background is, as people read it."""
    if not durations_s:
        return "none ships, so that false-alarm rates come from live slides alone"
    return ", ".join(f"{name} {_span(duration_s)}" for name, duration_s in durations_s.items())


def _span(duration_s: float) -> str:
    return f"{duration_s / _YEAR_S:.2f} years" if duration_s > 0.1 * _YEAR_S else f"{duration_s / 86_400:.1f} days"


def _verified(name: str) -> dict[str, Any]:
    from stream.infer import open_model
    from stream.significance import load_shipped

    try:
        card = open_model(name)
        load_shipped(card)
    except TocsinError as error:
        return {"model": name, "ok": False, "files": 0, "problem": str(error)}
    return {"model": card.label, "ok": True, "files": len(card.digests), "problem": None}
