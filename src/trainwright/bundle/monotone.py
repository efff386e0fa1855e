"""Whether a bundle keeps the monotone constraints that were asked for: tried on real rows, through the runtime that serves.

Takes    the bundle, typed columns of open rows, {column: "increasing" | "decreasing"}.
Gives    for each column how many rows and values were tried, the largest step the wrong way, and whether it is more than rounding.
Why      a library's promise is of its own numbers; what serves has been through float32, and perhaps a calibration, since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from trainwright import runtime
from trainwright.runtime.columns import Coded, Column, Columns, Floats, rows_of, take, take_all
from trainwright.runtime.schema import ColumnSchema

ROWS: Final = 200  # of the open rows
VALUES: Final = 40  # of a number: quantiles of what was seen, and one beyond each end
ROUNDING: Final = 1e-6  # of a probability; ten times that, of the target's deviation, for a number: as the parity gate allows


def held(
    bundle: runtime.Bundle, features: Sequence[ColumnSchema], columns: Columns, monotone: Mapping[str, str], *, scale: float | None
) -> list[dict[str, Any]]:
    """Try every constraint: each row with each value of the column, all else as it is.

    Takes   `columns`: the typed columns of open rows (values are drawn from all of them; ROWS of them, evenly apart, are tried); `scale` the target's
            deviation, None for classes.
    Gives   [{column, direction, rows, values, worst, held}]: `worst` is the most that a prediction falls below (or rises above) one at an earlier
            value.
    """
    some = take_all(columns, np.unique(np.linspace(0, rows_of(columns) - 1, ROWS).astype(np.int64)))
    allowed = ROUNDING if scale is None else 10 * ROUNDING * scale
    found = []
    for name, direction in monotone.items():
        feature = next(feature for feature in features if feature.name == name)
        values = grid(feature, columns[name])
        said = _said(bundle, some, name, values) * (1.0 if direction == "increasing" else -1.0)
        worst = float((np.maximum.accumulate(said, axis=1) - said).max(initial=0.0))
        tried = {"rows": rows_of(some), "values": len(values)}
        found.append({"column": name, "direction": direction, **tried, "worst": float(f"{worst:.3g}"), "held": worst <= allowed})
    return found


def grid(feature: ColumnSchema, column: Column) -> Column:
    """The values to try, in their order: quantiles and beyond both ends of a number, no and yes, the words of an ordered category."""
    if isinstance(column, Coded):
        return Coded(np.arange(len(feature.order), dtype=np.int32), list(feature.order))
    known = column[np.isfinite(column)]
    if not len(known):
        return np.zeros(1)
    if feature.kind == "yesno":
        return np.array([0.0, 1.0])
    values = np.unique(np.quantile(known, np.linspace(0, 1, VALUES), method="nearest"))
    reach = values[-1] - values[0] + 1.0
    return np.concatenate([[values[0] - reach], values, [values[-1] + reach]])


def _said(bundle: runtime.Bundle, columns: Columns, name: str, values: Column) -> Floats:
    """(rows, values) the number, or the probability of the positive class, of each row with each value."""
    rows, count = rows_of(columns), len(values)
    tiled = dict(take_all(columns, np.repeat(np.arange(rows), count)))
    again = np.tile(np.arange(count), rows)
    tiled[name] = take(values, again)
    said: Floats = bundle.outputs_of(tiled)[:, -1].reshape(rows, count)
    return said
