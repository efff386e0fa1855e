"""Whether a bundle is still the one that was written: every digest computed anew.

Takes    the path of a bundle.
Gives    its digests; CheckFailed TW083 naming the file that differs; BundleError when it cannot be a bundle at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainwright.errors import BundleError, CheckFailed
from trainwright.runtime.loader import load


def verify(path: Path) -> dict[str, Any]:
    """Load the bundle, which computes every digest and compares it with the manifest.

    Gives   {"format", "task", "model_digest", "bundle_digest", "files": {name: sha256}}.
    Raises  CheckFailed TW083 when a file is missing, added or changed; BundleError for what is no bundle or none that may be opened.
    """
    try:
        bundle = load(path)
    except BundleError as error:
        if error.code != "TW052":
            raise
        raise CheckFailed(
            "TW083",
            error.what,
            where=error.where,
            why="this is not the bundle that was measured, so its evidence says nothing about it",
            fix="restore it from the run or the registry that it came from",
        ) from error
    files = {name: entry["sha256"] for name, entry in bundle.manifest["files"].items()}
    digests = {"model_digest": bundle.model_digest, "bundle_digest": bundle.bundle_digest}
    return {"format": bundle.manifest["format"], "task": bundle.task, **digests, "files": files}
