"""Make the golden bundles that are not there yet: `python tests/golden/make.py`. A folder that is there is never made again.

One folder a format version, with bundles of what that version brought; each lies beside `NAME.expected.json`, the rows that it was given and what
it answered. Bundles of every released version stay, and must load and answer the same for ever.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import every_step  # noqa: E402
import small_bundles  # noqa: E402
from trainwright.bundle.write import add_evidence, write_zip  # noqa: E402

EVIDENCE = {"metric": "none", "value": 0.5}
Make = Callable[[Path], Any]


def put(folder: Path, name: str, make: Make, given: list[dict[str, Any]], earlier: list[dict[str, Any]] | None = None) -> None:
    """One bundle and what it answers; `earlier`: rows that came before."""
    make(folder / name)
    bundle = add_evidence(folder / name, EVIDENCE, f"# A golden bundle: {name}\n")
    expected = {
        "rows": given,
        "outputs": bundle.outputs(given).tolist(),
        "answers": bundle.predict(given).tolist(),
        "model_digest": bundle.model_digest,
        "bundle_digest": bundle.bundle_digest,
    }
    if earlier is not None:
        expected |= {"earlier": earlier, "outputs_after": bundle.outputs(given, earlier=earlier).tolist()}
    (folder / f"{name}.expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def first(folder: Path) -> None:
    """Version 1.0: three tasks, linear and trees."""
    for task in small_bundles.CLASSES:
        for model in ("linear", "trees"):
            put(folder, f"{task}-{model}", lambda place, t=task, m=model: small_bundles.make(place, t, m), small_bundles.rows(12, seed=1))
    write_zip(folder / "multiclass-trees", folder / "multiclass-trees.zip")


def second(folder: Path) -> None:
    """Version 1.1: every step kind and field of a column that it brought, beside all that there was."""
    for name in every_step.CLASSES:
        earlier = every_step.rows(8, seed=2) if name == "columns" else None
        put(folder, name, lambda place, n=name: every_step.make(place, n), every_step.rows(24, seed=1), earlier)
    write_zip(folder / "columns", folder / "columns.zip")


def main() -> None:
    for version, make in (("1.0", first), ("1.1", second)):
        if not (HERE / version).exists():
            make(HERE / version)


if __name__ == "__main__":
    main()
