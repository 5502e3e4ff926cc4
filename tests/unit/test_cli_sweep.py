"""Every command and every option, through the entry that users start: numbers, mistakes and help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text

from pipelines.cli import app, entry

Tocsin = Callable[..., tuple[int, str, str]]


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command's words and the command."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())
ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    ("replay",): ["x.hdf5"],
    ("localize",): ["x.hdf5"],
    ("skymap",): ["x.fits"],
    ("page",): ["x.avro"],
    ("fetch",): ["GW150914"],
}
NUMBERS = [
    (words, option.opts[0])
    for words, command in COMMANDS.items()
    for option in command.params
    if option.type_descriptor is not None and option.type_descriptor.annotation in (float, int)
]


MAY_BE_ZERO = ("--seed", "--glitch-rate", "--chance", "--wait", "--sun")


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tocsin:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tocsin", *arguments])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_the_sweep_sees_all_commands_and_numbers() -> None:
    assert {" ".join(words) for words in COMMANDS} >= {"run", "simulate", "replay", "topics check", "bench latency"}
    assert {(words[-1], option) for words, option in NUMBERS} >= {
        ("simulate", "--block"), ("replay", "--block"), ("replay", "--speed"), ("simulate", "--every"),
        ("simulate", "--duration"), ("subscribe", "--count"), ("latency", "--spacing"), ("demo", "--seed"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        (words, option, value)
        for words, option in NUMBERS
        for value in ("nan", "-inf", "-1", "1e300")
        if (option, value) != ("--sun", "-1")  # an altitude
    ],
)
def test_a_number_that_is_none_or_absurd_is_refused_by_its_option(
    words: tuple[str, ...], option: str, value: str, tocsin: Tocsin
) -> None:
    code, _, err = tocsin(*words, *ARGUMENTS.get(words, []), f"{option}={value}")
    assert code == 2, err
    assert f"'{option}'" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "option"),
    [(words, option) for words, option in NUMBERS if option not in MAY_BE_ZERO],
)
def test_zero_is_refused_where_it_means_nothing(words: tuple[str, ...], option: str, tocsin: Tocsin) -> None:
    code, _, err = tocsin(*words, *ARGUMENTS.get(words, []), f"{option}=0")
    assert code == 2, err
    assert f"'{option}'" in err


@pytest.mark.parametrize(
    "gap", ["L1", "L1:nan:5", "L1:0:nan", "L1:0:0", "L1:-1:5", "L1:0:inf", "L1:0:1e300", "V1:0:5", "x:0:5"]
)
def test_a_gap_that_is_none_is_refused(gap: str, tocsin: Tocsin) -> None:
    code, _, err = tocsin("simulate", "--broker", "127.0.0.1:1", "--gap", gap)
    assert (code, "--gap" in err) == (2, True), err


def test_a_block_off_the_grid_is_refused(tocsin: Tocsin) -> None:
    code, _, err = tocsin("simulate", "--broker", "127.0.0.1:1", "--block", "0.1")
    assert (code, "multiple of 1/16 s" in err) == (2, True), err


MISTAKES = [
    ["--no-such-option"], ["--config", "none.toml"], ["--config", "."], ["--broker", "me@host:1"],
    ["--detectors", "H1", "--detectors", "H1"], ["--detectors", "foo"], ["--detectors", "H1", "h1"],
    ["--detectors", ""], ["an", "argument", "too", "many"],
]  # fmt: skip


def applicable() -> Iterator[Any]:
    """Yield each command with each mistake that can be made with it."""
    for words, command in COMMANDS.items():
        options = {"--no-such-option", *(name for option in command.params for name in option.opts)}
        for mistake in MISTAKES:
            if mistake[0] in options or (mistake[0] == "an" and words != ("replay",)):
                yield pytest.param(words, mistake, id=" ".join([*words, *mistake]))


@pytest.mark.parametrize(("words", "mistake"), list(applicable()))
def test_a_mistake_ends_with_2_and_few_words(words: tuple[str, ...], mistake: list[str], tocsin: Tocsin) -> None:
    code, _, err = tocsin(*words, *ARGUMENTS.get(words, []), *mistake)
    assert code == 2, err
    assert "Traceback" not in err
    assert err.count("\n") <= 6


@pytest.mark.parametrize("words", [("topics", "list"), ("topics", "create"), ("topics", "check")], ids=" ".join)
def test_no_broker_ends_with_1_and_a_line(
    words: tuple[str, ...], tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__OPERATION_TIMEOUT_S", "1")
    code, _, err = tocsin(*words, "--broker", "127.0.0.1:1")
    assert (code, err.count("\n")) == (1, 1), err
    assert "no broker at 127.0.0.1:1" in err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_all_that_was_written(
    words: tuple[str, ...], tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Square brackets in a help text are markup, and vanish."""
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = tocsin(*words, "--help")
    assert (code, err) == (0, "")
    command = COMMANDS[words]
    for text in (command.help, *(option.help for option in command.params if getattr(option, "help", None))):
        written = inspect.cleandoc(text)
        assert written == Text.from_markup(written).plain
        assert set(written.split()) - set(out.replace("│", " ").split()) == set()


@pytest.mark.parametrize("words", [(), ("topics",), ("bench",)])
def test_a_group_alone_explains_itself(words: tuple[str, ...], tocsin: Tocsin) -> None:
    _, out, err = tocsin(*words)
    assert "Usage" in out + err


def test_an_error_never_shows_a_control_sequence(tocsin: Tocsin) -> None:
    code, _, err = tocsin("replay", "\x1b]0;title\x07\x1b[2Jx.hdf5", "--direct")
    assert code == 1
    assert "\x1b" not in err
    assert "\x07" not in err


def test_no_command_is_shown_a_folder_of_ours_in_an_error(tocsin: Tocsin, tmp_path: Path) -> None:
    code, _, err = tocsin("replay", str(tmp_path), "--direct")
    assert code == 1
    assert err.count("\n") == 1
