"""Explainable boosting machine, by interpret: a sum of one curve for each feature and of a few tables for pairs of features.

Takes    X (rows, features) float32, NaN where missing; features of kind "code" are categories; y; weights.
Gives    probabilities (rows, classes), or one number (rows, 1). Loss: log loss, or squared error.
Stops    each bag on rows of its own that it sets aside at random; `budget.iterations` has no meaning here.
Cost     bags · rounds · rows · features time. The same bytes for the same seed.
Source   Lou, Caruana, Gehrke & Hooker (2013), KDD, 623-631; Nori et al. (2019), arXiv:1909.09223.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import need
from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Feature, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, centre, constantly, constraints, in_turn, labelled, spread
from trainwright.runtime.columns import Floats
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Additive, Linear, Link
from trainwright.runtime.steps.additive import ALONE, CODES, CUTS

EXTRA = "glassbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainableBoosting:
    learning_rate: float = 0.02
    max_rounds: int = 5000  # trees of each curve, at most
    patience: int = 100  # rounds without a better loss
    bags: int = 8  # models of rows drawn anew, whose mean is taken: smoother curves, and their spread is known
    pairs: int = 5  # pairs of features that have a table of their own; 10 took 1.3 to 1.8 times as long and were no better (docs/architecture.md)
    max_bins: int = 256  # of one feature's curve
    max_pair_bins: int = 32  # of each side of a pair's table
    max_leaves: int = 2
    min_samples_leaf: int = 4
    smoothing: int = 75  # rounds at the start that split at random, which keeps curves smooth

    card: ClassVar[Card] = Card(
        title="explainable boosting machine",
        tasks=("binary", "multiclass", "regression"),
        reads="coded",
        explains="glass-box",
        how="one curve for each feature, and a table for a few pairs",
        losses=("log loss, for classes", "squared error, for numbers"),
        limits=(
            "adds curves: what depends on three columns at once is out of reach",
            "rows on which it stops are set aside at random, whatever the split",
            "slow: some thousand rounds for each bag",
        ),
        extra=EXTRA,
        package="interpret",
        monotone=True,
        # Measured: processor seconds of one thread, 295 × 10 to 20,000 × 10 and 380 × 30 numbers, two classes: within a factor of 2.
        seconds=lambda rows, features, outputs: 1.5 + max(1, outputs if outputs > 2 else 1) * (0.1 * features + 2e-5 * rows * features),
        effort=lambda settings: settings.bags / 8 * (1 + settings.pairs / 10) / 1.5 * min(settings.max_rounds, 100 / settings.learning_rate) / 5000,
        memory=lambda rows, features, outputs: 250e6 + 40.0 * rows * features + 60.0 * rows * max(1, outputs),
    )
    space: ClassVar[Space] = {
        "learning_rate": LogUniform(0.005, 0.05),
        "pairs": Uniform(0, 20, whole=True),
        "max_leaves": Uniform(2, 5, whole=True),
        "min_samples_leaf": LogUniform(2, 50, whole=True),
    }

    def __post_init__(self) -> None:
        check.number(1e-6, 1.0, learning_rate=self.learning_rate)
        check.whole(1, 1_000_000, max_rounds=self.max_rounds, patience=self.patience, min_samples_leaf=self.min_samples_leaf)
        check.whole(1, 1000, bags=self.bags)
        check.whole(0, 1000, pairs=self.pairs)
        check.whole(4, 10_000, max_bins=self.max_bins)
        check.whole(4, 1000, max_pair_bins=self.max_pair_bins)
        check.whole(2, 1000, max_leaves=self.max_leaves)
        check.whole(0, 100_000, smoothing=self.smoothing)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        mean, unit = centre(rows)
        seed = int(rng.integers(2**31))
        if rows.constant or unit == 0:
            return constantly(average(rows))
        model = self._model(rows, training.features, seed, constraints(training))
        target = rows.labels if rows.classes else (rows.target - mean) / unit
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="interpret")  # what it says of missing values and pairs concerns its own pictures
            model.fit(rows.matrix.astype(np.float64), target, sample_weight=rows.weight)
        steps = _steps(model, rows, mean, unit)
        return Fitted(predict=in_turn(steps), ship=lambda: steps, notes=_notes(model, training.features))

    def _model(self, rows: Labelled, features: Sequence[Feature], seed: int, monotone: list[int] | None) -> Any:
        glassbox = need("interpret.glassbox", extra=EXTRA, to="train an explainable boosting machine")
        kind = glassbox.ExplainableBoostingClassifier if rows.classes else glassbox.ExplainableBoostingRegressor
        smallest = int(np.bincount(rows.labels).min()) if rows.classes else len(rows.target)
        return kind(
            feature_names=[f"f{index}" for index in range(len(features))],
            feature_types=["nominal" if feature.kind == "code" else "continuous" for feature in features],
            max_bins=self.max_bins,
            max_interaction_bins=self.max_pair_bins,
            interactions=min(self.pairs, len(features) * (len(features) - 1) // 2),
            validation_size=0.15 if smallest >= 4 else 0,  # a class of fewer rows cannot be parted
            outer_bags=self.bags,
            learning_rate=self.learning_rate,
            max_rounds=self.max_rounds,
            early_stopping_rounds=self.patience,
            smoothing_rounds=self.smoothing,
            interaction_smoothing_rounds=self.smoothing,
            min_samples_leaf=self.min_samples_leaf,
            max_leaves=self.max_leaves,
            monotone_constraints=monotone,  # interpret keeps these features out of the pairs by itself
            n_jobs=1,  # more would be processes, started from a worker that was forked
            random_state=seed,
        )


def _steps(model: Any, rows: Labelled, mean: float, unit: float) -> tuple[Step, ...]:
    """The tables as a step, then what turns scores into probabilities or into the unit of the target."""
    table = _tables(model)
    if not rows.classes:
        return table, Linear(weights=np.array([[unit]]), offset=np.array([mean]))
    link = Link(name="logistic" if len(table.offset) == 1 else "softmax")
    return table, link, *spread(rows.present, rows.classes)


def _tables(model: Any) -> Additive:
    """interpret's terms, each binning of a feature once. Where a binning lacks the bin for what is not listed, it scores 0, as there."""
    known: dict[tuple[int, int], int] = {}
    binned: list[tuple[int, int, int]] = []
    edges: list[Floats] = []
    orders: list[NDArray[np.int64]] = []  # of each binning, interpret's bin for each of ours: codes are sorted here
    terms: list[tuple[int, int]] = []
    scores: list[Floats] = []
    outputs = int(np.size(model.intercept_))
    for term, given in zip(model.term_features_, model.term_scores_, strict=True):
        places = []
        for feature in term:
            level = min(len(term), len(model.bins_[feature])) - 1
            if (feature, level) not in known:
                how, own, order = _binning(model.bins_[feature][level])
                known[feature, level] = len(binned)
                binned.append((int(feature), how, len(own)))
                edges.append(own)
                orders.append(order)
            places.append(known[feature, level])
        table = np.asarray(given, np.float64)
        for axis, place in enumerate(places):
            table = np.take(table, orders[place], axis=axis)
        terms.append((places[0], places[1] if len(places) > 1 else ALONE))
        scores.append(table.reshape(-1, outputs))
    return Additive(
        binned=np.array(binned, np.int64).reshape(-1, 3),
        edges=np.concatenate(edges) if edges else np.empty(0),
        terms=np.array(terms, np.int64).reshape(-1, 2),
        scores=np.ascontiguousarray(np.concatenate(scores)),
        offset=np.asarray(model.intercept_, np.float64).reshape(outputs),
    )


def _binning(bins: Any) -> tuple[int, Floats, NDArray[np.int64]]:
    """(how, edges, order) of one feature's bins: cuts as they are; categories, which interpret keeps as text, as ascending codes.

    interpret's tables have a bin for missing values first and one for unknown ones last; of a feature that is cut, the latter is never reached.
    """
    if not isinstance(bins, dict):
        cuts = np.asarray(bins, np.float64)
        return CUTS, cuts, np.arange(len(cuts) + 2)
    codes = np.array([float(word) for word in bins], np.float64)
    place = np.array(list(bins.values()), np.int64)
    order = np.argsort(codes)
    return CODES, codes[order], np.concatenate([[0], place[order], [place.max(initial=0) + 1]])


def _notes(model: Any, features: Sequence[Feature]) -> dict[str, Any]:
    """What a report may print: how much each term moves the score, on average over the training rows."""
    weights = model.term_importances()
    named = [" × ".join(features[index].name for index in term) for term in model.term_features_]
    ranked = sorted(zip(weights.tolist(), named, strict=True), reverse=True)
    return {"terms": len(named), "importances": {name: float(f"{weight:.4g}") for weight, name in ranked[:50]}}


LEARNER = ExplainableBoosting
