"""Models and what follows them: `linear`, `onnx`, `constant`; `link`, `combine`; `concat` before and `decide` at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from trainwright.runtime.columns import Floats, Matrix, rows_of
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

MOST_BYTES = 2**31 - 1  # protobuf can hold no more
CHUNK = 2**23  # cells that `linear` turns into float64 at once


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(FromParts):
    """Matrices side by side: float32 (rows, width) each → (rows, sum of widths)."""

    kind: ClassVar[str] = "concat"
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.widths, tuple) or not self.widths:
            raise checks.refuse(self.kind, "it needs at least one input")
        for width in self.widths:
            checks.whole(self.kind, "a width", width, low=0, high=checks.MOST_FIELDS)

    @property
    def cells(self) -> int:
        return sum(self.widths)

    def apply(self, *matrices: Matrix) -> Matrix:
        if tuple(matrix.shape[1] for matrix in matrices) != self.widths:
            raise ValueError("the inputs have other widths than in training")
        return matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(FromParts):
    """Numbers (rows, features) → float64 (rows, outputs): x · weights + offset, computed in float64."""

    kind: ClassVar[str] = "linear"
    weights: Floats  # (features, outputs)
    offset: Floats  # (outputs,)

    def __post_init__(self) -> None:
        checks.array(self.kind, "offset", self.offset, dtype=np.float64, shape=(None,))
        checks.array(self.kind, "weights", self.weights, dtype=np.float64, shape=(None, len(self.offset)))
        if not len(self.offset):
            raise checks.refuse(self.kind, "it has no output")

    @property
    def cells(self) -> int:
        return 2 * len(self.offset)

    def apply(self, matrix: Any) -> Floats:
        rows = len(matrix)
        size = max(1, CHUNK // max(1, matrix.shape[1]))
        if rows <= size:
            return np.asarray(matrix, np.float64) @ self.weights + self.offset
        out = np.empty((rows, len(self.offset)))
        for start in range(0, rows, size):  # a float64 copy of the whole matrix could be gigabytes
            out[start : start + size] = matrix[start : start + size].astype(np.float64) @ self.weights
        out += self.offset
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Onnx(FromParts):
    """float32 (rows, features) → float64 (rows, outputs), by an ONNX graph with one input and one output; one thread, no spinning."""

    kind: ClassVar[str] = "onnx"
    graph: bytes
    features: int
    outputs: int

    def __post_init__(self) -> None:
        if not isinstance(self.graph, bytes) or not 0 < len(self.graph) <= MOST_BYTES:
            raise checks.refuse(self.kind, "its graph is empty or too large")
        checks.whole(self.kind, "features", self.features, low=1, high=checks.MOST_FIELDS)
        checks.whole(self.kind, "outputs", self.outputs, low=1, high=checks.MOST_FIELDS)

    @cached_property  # made at the first use: training ships steps that it never runs
    def _session(self) -> tuple[Any, str]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])
            inputs, outputs = session.get_inputs(), session.get_outputs()
        except Exception as error:  # onnxruntime's errors share no class but this one
            raise checks.refuse(self.kind, f"onnxruntime refuses its graph ({type(error).__name__})") from error
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(float)" or outputs[0].type != "tensor(float)":
            raise checks.refuse(self.kind, "its graph must have one float32 input and one float32 output")
        return session, inputs[0].name

    @property
    def cells(self) -> int:
        return 3 * self.outputs  # of the graph, then in float64

    def apply(self, matrix: Matrix) -> Floats:
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            raise ValueError("the input has another number of features than in training")
        session, name = self._session
        if not len(matrix):
            return np.empty((0, self.outputs))
        scores = session.run(None, {name: np.ascontiguousarray(matrix, np.float32)})[0]
        if scores.shape != (len(matrix), self.outputs):
            raise ValueError("the graph gives another shape than it says")
        return np.asarray(scores, np.float64)

    def __getstate__(self) -> dict[str, Any]:  # a session cannot be copied to another process
        return {"graph": self.graph, "features": self.features, "outputs": self.outputs}


@dataclass(frozen=True, eq=False, kw_only=True)
class Constant(FromParts):
    """Any rows → float64 (rows, outputs): the same output for each."""

    kind: ClassVar[str] = "constant"
    values: Floats  # (outputs,)

    def __post_init__(self) -> None:
        checks.array(self.kind, "values", self.values, dtype=np.float64, shape=(None,))
        if not len(self.values):
            raise checks.refuse(self.kind, "it has no output")

    @property
    def cells(self) -> int:
        return 2 * len(self.values)

    def apply(self, rows: Any) -> Floats:
        count = len(rows) if isinstance(rows, np.ndarray) else rows_of(rows)
        return np.repeat(self.values[None, :], count, axis=0)


LINKS = ("identity", "logistic", "complement", "softmax", "normalise", "exp")


@dataclass(frozen=True, eq=False, kw_only=True)
class Link(FromParts):
    """Scores (rows, k) → float64 outputs.

    logistic: one score → (1 − p, p). complement: one p → (1 − p, p). softmax, normalise: each row sums to 1. exp: a positive number.
    """

    kind: ClassVar[str] = "link"
    name: str

    def __post_init__(self) -> None:
        checks.choice(self.kind, "name", self.name, LINKS)

    def apply(self, scores: Floats) -> Floats:
        if self.name in ("logistic", "complement") and scores.shape[1] != 1:
            raise ValueError("one score for two classes is needed")
        match self.name:
            case "logistic":
                small = np.exp(-np.abs(scores[:, 0]))  # never overflows
                likely, unlikely = 1.0 / (1.0 + small), small / (1.0 + small)
                positive = scores[:, 0] >= 0
                return np.stack([np.where(positive, unlikely, likely), np.where(positive, likely, unlikely)], axis=1)
            case "complement":
                p = np.minimum(np.maximum(scores[:, 0], 0.0), 1.0)  # float32 sums may end a hair outside
                return np.stack([1.0 - p, p], axis=1)
            case "softmax":
                grown = np.exp(scores - scores.max(axis=1, keepdims=True))
                return np.asarray(grown / grown.sum(axis=1, keepdims=True))
            case "normalise":
                share = np.maximum(scores, 0.0)
                total = share.sum(axis=1, keepdims=True)
                return np.where(total > 0, share / np.where(total > 0, total, 1.0), 1.0 / scores.shape[1])
            case "exp":
                return np.exp(np.minimum(scores, 700.0))
            case _:
                return np.asarray(scores, np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Combine(FromParts):
    """Outputs of several models, float64 (rows, outputs) each → their weighted mean."""

    kind: ClassVar[str] = "combine"
    weights: Floats  # (models,) not negative; divided by their sum
    _shares: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.array(self.kind, "weights", self.weights, dtype=np.float64, shape=(None,))
        if not len(self.weights) or (self.weights < 0).any() or (self.weights > 1e100).any() or not self.weights.sum() > 0:
            raise checks.refuse(self.kind, "its weights must not be negative, and their sum must be positive")
        object.__setattr__(self, "_shares", tuple((self.weights / self.weights.sum()).tolist()))

    def apply(self, *outputs: Floats) -> Floats:
        total = np.zeros(outputs[0].shape)
        for share, output in zip(self._shares, outputs, strict=True):
            if output.shape != total.shape:
                raise ValueError("the models give different shapes")
            total += share * output
        return total


@dataclass(frozen=True, eq=False, kw_only=True)
class Decide(FromParts):
    """Probabilities float64 (rows, classes) → the chosen class of each row, as words (rows,) of type object."""

    kind: ClassVar[str] = "decide"
    classes: tuple[str, ...]
    threshold: float | None = None  # of two classes: the second is chosen from this probability on; none: the likeliest, ties to the first
    _words: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.words(self.kind, "classes", self.classes)
        if len(self.classes) < 2:
            raise checks.refuse(self.kind, "there must be two classes or more")
        if self.threshold is not None:
            if len(self.classes) != 2:
                raise checks.refuse(self.kind, "a threshold needs two classes")
            if isinstance(self.threshold, bool) or not isinstance(self.threshold, int | float) or not 0 <= self.threshold <= 1:
                raise checks.refuse(self.kind, "the threshold must be a probability")
        object.__setattr__(self, "_words", np.array(self.classes, dtype=object))

    def numbers(self, probabilities: Floats) -> np.ndarray[Any, np.dtype[np.intp]]:
        """The chosen class's number, (rows,)."""
        if probabilities.shape[1] != len(self.classes):
            raise ValueError("there must be one probability for each class")
        if self.threshold is not None:
            return np.asarray(probabilities[:, 1] >= self.threshold, np.intp)
        return np.asarray(probabilities.argmax(axis=1), np.intp)

    def apply(self, probabilities: Floats) -> Any:
        return self._words[self.numbers(probabilities)]
