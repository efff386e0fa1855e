"""Make the golden bundles of the format as it is now: `python tests/golden/make.py`. A folder that is there is never made again.

One folder a format version; each bundle lies beside `NAME.expected.json`, the rows that it was given and what it answered.
Bundles of every released version stay, and must load and answer the same for ever.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from small_bundles import CLASSES, make, rows  # noqa: E402
from trainwright.bundle.write import add_evidence, write_zip  # noqa: E402
from trainwright.runtime.loader import FORMAT  # noqa: E402

EVIDENCE = {"metric": "none", "value": 0.5}


def main() -> None:
    folder = HERE / f"{FORMAT[0]}.{FORMAT[1]}"
    if folder.exists():
        raise SystemExit(f"{folder} is there already: golden bundles are never made again")
    given = rows(12, seed=1)
    for task in CLASSES:
        for model in ("linear", "trees"):
            name = f"{task}-{model}"
            make(folder / name, task, model)
            bundle = add_evidence(folder / name, EVIDENCE, f"# A golden bundle: {name}\n")
            expected = {
                "rows": given,
                "outputs": bundle.outputs(given).tolist(),
                "answers": bundle.predict(given).tolist(),
                "model_digest": bundle.model_digest,
                "bundle_digest": bundle.bundle_digest,
            }
            (folder / f"{name}.expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    write_zip(folder / "multiclass-trees", folder / "multiclass-trees.zip")


if __name__ == "__main__":
    main()
