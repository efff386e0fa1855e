"""Start-up, one row, many rows, sizes. Run: `python benchmarks/speed.py`.

Many rows: 100,000 rows of Adult as a pandas frame through our bundle, against scikit-learn's ColumnTransformer with the same
kind of encoding and the same LightGBM settings, alternately. The base environment is made anew and measured.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import ROOT, Rows, alternately, need_data, table
from tables import find

TIMES = 9


def wall(command: list[str], times: int = TIMES) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def import_seconds() -> float:
    code = "import time; a = time.perf_counter(); import trainwright; print(time.perf_counter() - a)"
    return statistics.median(
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout) for _ in range(TIMES)
    )


def base_environment(place: Path) -> dict[str, Any]:
    """numpy, onnxruntime and what they bring: the size in bytes of site-packages beyond an empty environment's."""
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    packages = next((place / "lib").glob("python*")) / "site-packages"
    empty = sum(p.stat().st_size for p in packages.rglob("*") if p.is_file())
    subprocess.run(
        [str(place / "bin/pip"), "install", "-q", "-c", str(ROOT.parent / "constraints.txt"), str(ROOT.parent)], check=True, capture_output=True
    )
    full = sum(p.stat().st_size for p in packages.rglob("*") if p.is_file())
    names = subprocess.run([str(place / "bin/pip"), "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout.split()
    return {"bytes": full - empty, "packages": [name for name in names if not name.startswith(("pip", "setuptools"))]}


def predictor(train: pd.DataFrame, target: str, settings: dict[str, Any], rounds: int) -> Any:
    """ColumnTransformer + LightGBM with our winner's settings and number of trees."""
    import lightgbm
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    features = [name for name in train.columns if name != target]
    words = [name for name in features if not pd.api.types.is_numeric_dtype(train[name])]
    numbers = [name for name in features if name not in words]
    encode = ColumnTransformer(
        [
            ("words", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=10, encoded_missing_value=-2), words),
            ("numbers", SimpleImputer(strategy="median"), numbers),
        ]
    )
    model = lightgbm.LGBMClassifier(n_estimators=rounds, num_leaves=settings.get("leaves", 31), n_jobs=1, verbosity=-1)
    return make_pipeline(encode, model).fit(train[features], train[target])


def main() -> None:
    need_data()
    import trainwright

    rows = Rows("speed")
    file = find("adult/adult_train.csv.gz")
    with tempfile.TemporaryDirectory() as place:
        run = trainwright.train(
            str(file), target="income", drop=["fnlwgt"], learners=[{"name": "tabular/lightgbm"}], candidates=1, out=f"{place}/runs", progress=False
        )
        bundle = trainwright.load(run.folder / "bundle")
        size = sum(p.stat().st_size for p in (run.folder / "bundle").rglob("*"))
        winner = next(entry for entry in run.leaderboard if entry["chosen"])
        frame = pd.read_csv(file)
        rounds = winner["iterations"] or 100
        pipeline = predictor(frame.drop(columns="fnlwgt"), "income", winner["settings"], rounds)
        many = pd.concat([frame.drop(columns=["fnlwgt", "income"])] * 4).iloc[:100_000].reset_index(drop=True)
        one = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in many.iloc[:2000].to_dict("records")]
        singles = []
        for row in one:
            started = time.perf_counter()
            bundle.predict_proba([row])
            singles.append((time.perf_counter() - started) * 1e3)

        def timed(call: Any) -> Any:
            def run_it() -> float:
                started = time.perf_counter()
                call(many)
                return time.perf_counter() - started

            return run_it

        peers = {"ours": timed(bundle.predict_proba), "pipeline": timed(pipeline.predict_proba)}
        took: dict[str, list[float]] = {name: [] for name in peers}
        for name, seconds in alternately(peers, TIMES):
            took[name].append(seconds)
        ratios = [theirs / mine for mine, theirs in zip(took["ours"], took["pipeline"], strict=True)]
        base = base_environment(Path(place) / "base")
    summary = {
        "import_seconds": import_seconds(),
        "help_seconds": wall([str(Path(sys.executable).parent / "trainwright"), "--help"]),
        "one_row_p50_ms": float(np.median(singles)),
        "one_row_p99_ms": float(np.quantile(singles, 0.99)),
        "rows_per_second": {name: 100_000 / statistics.median(values) for name, values in took.items()},
        "throughput_ratio": statistics.median(ratios),
        "trees": rounds,
        "learner": winner["learner"],
        "bundle_bytes": size,
        "base_environment": base,
    }
    asked = [
        ["import trainwright", "≤ 0.25 s", summary["import_seconds"]],
        ["trainwright --help", "≤ 0.3 s", summary["help_seconds"]],
        ["one row, p50", "≤ 0.5 ms", summary["one_row_p50_ms"]],
        ["100,000 rows, ours / pipeline", "≥ 0.8", summary["throughput_ratio"]],
        ["Adult bundle", "≤ 5 MB", f"{size / 1e6:.2f} MB"],
        ["base environment", "", f"{base['bytes'] / 1e6:.0f} MB, {len(base['packages'])} packages"],
    ]
    rows.finish(summary, table(["what", "asked", "measured"], asked) + "\n\n" + json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
