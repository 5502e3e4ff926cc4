"""Pin every dependency: exactly in pyproject.toml, with hashes for the images.

``python docker/pin.py`` resolves anew and writes ``[tool.uv] constraint-dependencies``, ``docker/requirements.txt``
(CPU) and ``docker/requirements-gpu.txt`` (with the CUDA libraries). They name versions and hashes, never a registry.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
_HEAD = "# Made by docker/pin.py; do not edit.\n"


def export(*options: str) -> str:
    """Return uv's export of the locked dependencies."""
    command = ["uv", "export", "--quiet", "--frozen", "--no-emit-project", "--no-annotate", "--no-header", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def constraints(exported: list[str]) -> list[str]:
    """Return pins without their markers, except where a package has different versions on different Pythons."""
    versions: dict[str, set[str]] = {}
    for line in exported:
        versions.setdefault(line.partition("==")[0], set()).add(line)
    pins = (line if len(versions[line.partition("==")[0]]) > 1 else line.partition(" ;")[0] for line in exported)
    return sorted(set(pins), key=str.lower)


def write_constraints(lines: list[str]) -> None:
    """Replace the list in pyproject.toml."""
    path = ROOT / "pyproject.toml"
    text = re.sub(r"\n# Exact pins.*?\nconstraint-dependencies = \[.*?\n\]\n", "\n", path.read_text(), flags=re.DOTALL)
    body = "".join(f"    {_toml(line)},\n" for line in lines)
    path.write_text(
        text.rstrip("\n") + "\n# Exact pins of all that is installed; docker/pin.py renews them.\n"
        f"constraint-dependencies = [\n{body}]\n"
    )


def _toml(line: str) -> str:
    return '"' + line.replace('"', "'") + '"'


def main() -> None:
    """Resolve and write all three."""
    write_constraints([])
    subprocess.run(["uv", "lock", "--quiet", "--upgrade"], cwd=ROOT, check=True)
    everything = export("--no-hashes", "--all-extras", "--all-groups")
    write_constraints(constraints([line.strip() for line in everything.splitlines() if "==" in line]))
    subprocess.run(["uv", "lock", "--quiet"], cwd=ROOT, check=True)
    linux = ("--no-dev", "--extra", "search")
    (ROOT / "docker/requirements.txt").write_text(_HEAD + export(*linux))
    (ROOT / "docker/requirements-gpu.txt").write_text(_HEAD + export(*linux, "--extra", "cuda"))


if __name__ == "__main__":
    main()
