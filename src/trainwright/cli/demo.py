"""`trainwright demo`: the main job on real data that an installed package carries, without any network."""

from __future__ import annotations

from pathlib import Path

import click

from trainwright.cli import flags, show
from trainwright.errors import need


@click.command()
@flags.out
@flags.as_json
def command(out: Path, as_json: bool) -> int:
    """Train on scikit-learn's copy of the Wisconsin breast cancer data (569 biopsies) in under half a minute."""
    from trainwright import api, flow
    from trainwright.cli.bars import progress
    from trainwright.report.terminal import summary_lines

    started = show.started()
    source = write_table(out / "demo" / "biopsies.csv")
    plan, _ = api.asked_of(str(source), {"target": "diagnosis", "positive": "malignant", "time": "20s", "out": str(out)})
    with progress() as told:
        run = flow.train(plan, started=started, progress=told)
    if as_json:
        show.emit(run.summary)
    else:
        show.write("\n".join(summary_lines(run.folder)))
    return 0


def write_table(path: Path) -> Path:
    """The data as the CSV file that a user would have."""
    polars = need("polars", extra="tables", to="write the demo's table")
    need("sklearn", extra="tables", to="read the demo's data")
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    columns = {name.replace(" ", "_"): data.data[:, index] for index, name in enumerate(data.feature_names)}
    path.parent.mkdir(parents=True, exist_ok=True)
    polars.DataFrame({**columns, "diagnosis": [str(data.target_names[code]) for code in data.target]}).write_csv(path)
    return path
