"""The command's entry: the groups put together, and errors as one line and an exit code."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from pipelines.cli import alerts, data, decide, evaluate, exhibit, kept, listen, messengers, models, operate
from pipelines.cli.observe import observe
from pipelines.cli.subscribe import subscribe
from stream import __version__
from stream.errors import ConfigurationError, Fenced, RuleError, TocsinError
from stream.text import clean

app = typer.Typer(
    name="tocsin",
    help="Real-time multi-messenger pipeline: gravitational-wave strain in, Avro alerts out, in under a second.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    operate.run, exhibit.demo, data.simulate, data.replay, data.localize, data.fetch, listen.listen,
    messengers.coincide, subscribe, alerts.skymap, alerts.page, observe, decide.retract, decide.confirm,
    operate.doctor,
):  # fmt: skip
    app.command()(command)
app.add_typer(operate.topics_app, name="topics")
app.add_typer(kept.alerts_app, name="alerts")
app.add_typer(models.models_app, name="models")
app.add_typer(exhibit.bench_app, name="bench")
app.add_typer(evaluate.evaluate_app, name="evaluate")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tocsin: an alarm bell for telescopes."""


def main() -> None:
    """Run the command; errors of this project, of Kafka's client and of files become one line and an exit code."""
    sys.argv[1:] = _several_detectors(sys.argv[1:])
    try:
        app()
    except SystemExit as end:
        # Typer ends with 1 when the output's reader has gone, as behind `| head -1`: it has what it wanted.
        if isinstance(end.__context__, BrokenPipeError):
            _without_reader()
        raise
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _without_reader()
    except ConfigurationError as error:
        _fail(error, 2)
    except Fenced as error:
        _fail(error, 4)
    except (TocsinError, OSError) as error:
        _fail(error, 1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _OF_THE_SEARCH:
            raise
        _fail(ConfigurationError(f"{error.name} is not installed: this command needs pip install 'tocsin[search]'"), 2)
    except Exception as error:
        if not _is_of_kafka(error):
            raise
        _fail(error, 1)


_OF_THE_SEARCH = {
    "onnxruntime", "scipy", "gwpy", "gwosc", "h5py", "lal", "lalframe", "lalsimulation", "pyarrow", "numba", "httpx2",
    "astropy",
}  # fmt: skip
"""What the extra ``search`` brings, by the names that are imported."""


def _is_of_kafka(error: Exception) -> bool:
    """Whether Kafka's client raised an error; asked without loading it for commands that need none."""
    kafka = sys.modules.get("confluent_kafka")
    return kafka is not None and isinstance(error, kafka.KafkaException)


def _without_reader() -> NoReturn:
    """End quietly: what Python still holds for the closed output would be complained of when it is flushed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _several_detectors(arguments: list[str]) -> list[str]:
    """Let ``--detectors H1 L1`` stand for ``--detectors H1 --detectors L1``, as people write it."""
    out: list[str] = []
    listing = False
    for argument in arguments:
        if listing and re.fullmatch(r"[A-Z]\d", argument) and out[-1] not in ("--detectors", "-d"):
            out += ["--detectors", argument]
            continue
        listing = argument in ("--detectors", "-d") or (listing and re.fullmatch(r"[A-Z]\d", argument) is not None)
        out.append(argument)
    return out


def _fail(error: Exception, code: int) -> NoReturn:
    from stream.masking import mask_urls

    lines = str(error).split("\n") if isinstance(error, RuleError) else [str(error)]
    text = "\n".join(clean(mask_urls(line)) for line in lines)
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"tocsin: {text}")
    sys.exit(code)
