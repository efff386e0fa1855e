"""`trainwright doctor`: what this machine offers, which extras are there, and what does not work here."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from importlib.util import find_spec

import click

from trainwright._version import __version__
from trainwright.cli import flags, show

EXTRAS = {
    "tables": ("polars", "sklearn", "lightgbm", "onnx", "pydantic", "yaml", "jinja2", "threadpoolctl"),
    "excel": ("fastexcel",),
    "postgres": ("psycopg",),
}


@click.command()
@flags.as_json
def command(as_json: bool) -> int:
    """Show versions, cores, memory, disk and extras; exit 6 when something that every verb needs is missing."""
    from trainwright.select.resolve import available_cores, available_memory

    missing = {extra: [module for module in modules if find_spec(module) is None] for extra, modules in EXTRAS.items()}
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
        "extras": {extra: not modules for extra, modules in missing.items()},
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
        for extra, modules in missing.items():
            show.write(f"[{extra}] " + ("complete" if not modules else f"lacks {', '.join(modules)}: pip install 'trainwright[{extra}]'"))
    return 0 if supported and facts["writable"] and not missing["tables"] else 6
