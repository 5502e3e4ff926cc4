"""The options by which a command is told which alerts are wanted."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from pipelines.cli.common import number

Where = Annotated[
    str, typer.Option(help="Which alerts: 'far < 1/month and area90 < 500'; every name is in docs/rules.md.")
]
PresetName = Annotated[
    str, typer.Option(help="Rules by name (goto, grandma, rubin-gold, rubin-silver, tarot, ztf), or a file: ./my.toml.")
]
IfUnknown = Annotated[
    Literal["reject", "accept"] | None,
    typer.Option(help="What becomes of an alert that does not tell what the rule asks for; by default it is rejected."),
]
SiteName = Annotated[str, typer.Option(help="Where the telescope stands: a name, or longitude,latitude[,height].")]
Visible = Annotated[
    float | None, number("Only where the site sees so much of the probability in the next 24 hours.", 0.001, 1.0)
]
Combined = Annotated[
    bool, typer.Option("--combined", help="Take the sky map combined with another messenger's, where there is one.")
]
