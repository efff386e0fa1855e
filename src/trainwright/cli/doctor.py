"""`trainwright doctor`: what this machine offers, which extras are there, and what does not work here."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec

import click

from trainwright._version import __version__
from trainwright.cli import flags, show

PEOPLE = ("dev",)  # extras for those who work on Trainwright itself


def extras_of(requirements: Iterable[str]) -> dict[str, list[str]]:
    """The packages of each extra, from the requirements of a package's metadata (PEP 508): `polars>=1.20; extra == 'tables'`."""
    extras: dict[str, list[str]] = {}
    for requirement in requirements:
        package = re.match(r"\s*[\w.-]+", requirement)
        for extra in re.findall(r"extra\s*==\s*['\"]([\w.-]+)['\"]", requirement):
            if package and extra not in PEOPLE:
                extras.setdefault(extra, []).append(package[0].strip())
    return {
        extra: sorted(extras[extra]) for extra in sorted(extras, key=lambda extra: (extra != "tables", extra))
    }  # the one that all verbs need first


def requirements() -> list[str]:
    """What the metadata of this package asks for; nothing where it runs without having been installed."""
    try:
        return metadata.requires("trainwright") or []
    except metadata.PackageNotFoundError:
        return []


def is_there(package: str) -> bool:
    """Whether a package is installed, under its own name or as another build that brings the same module (xgboost for xgboost-cpu)."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return find_spec(re.sub(r"[-_](cpu|gpu|binary)$", "", package).replace("-", "_").replace(".", "_")) is not None
    return True


@click.command()
@flags.as_json
def command(as_json: bool) -> int:
    """Show versions, cores, memory, disk and extras; exit 6 when something that every verb needs is missing."""
    from trainwright.select.resolve import available_cores, available_memory

    extras = extras_of(requirements())
    missing = {extra: [package for package in packages if not is_there(package)] for extra, packages in extras.items()}
    supported = sys.platform in ("linux", "darwin")
    facts = {
        "trainwright": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "supported": supported,
        "cores": available_cores(),
        "memory_bytes": available_memory(),
        "disk_free_bytes": shutil.disk_usage(".").free,
        "writable": os.access(".", os.W_OK),
        "extras": {extra: not packages for extra, packages in missing.items()},
        "missing": missing,
        "versions": {name: metadata.version(name) for name in ("numpy", "onnxruntime")},
    }
    if as_json:
        show.emit({"schema_version": 1, **facts})
    else:
        where = "" if supported else " (not supported: use Linux, macOS, or WSL)"
        show.write(f"trainwright {__version__} on Python {facts['python']}, {facts['platform']}{where}")
        memory, disk = available_memory() / 1e9, shutil.disk_usage(".").free / 1e9
        show.write(f"{facts['cores']} cores, {memory:.1f} GB memory, {disk:.1f} GB free here{'' if facts['writable'] else ', NOT writable'}")
        if not extras:
            show.write("trainwright is not installed as a package, so its extras are not known: pip install 'trainwright[tables]'")
        for extra, packages in missing.items():
            show.write(f"[{extra}] " + ("complete" if not packages else f"lacks {', '.join(packages)}: pip install 'trainwright[{extra}]'"))
    return 0 if supported and facts["writable"] and not missing.get("tables") else 6
