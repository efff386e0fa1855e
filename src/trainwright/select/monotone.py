"""Monotone constraints: which columns may have one, which learners can keep it, and what it means for the columns of the feature matrix.

    "age: increasing"   all else equal, what is predicted does not fall as age rises: the number, or the probability of the positive class

Takes    the plan's `monotone`, {column: "increasing" | "decreasing"}, and the dataset.
Why      of several classes one probability can rise only as others fall, and a constraint on one class's score says nothing of its probability:
         that is refused. So are columns without an order (categories, text) and dates, whose parts (month, weekday, hour) go round.
Source   Cano et al. (2019), Neurocomputing 341, 168-182, for the term; each library keeps it by bounding the leaves on either side of a split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trainwright.data.dataset import Dataset
from trainwright.errors import RequestError, nearest
from trainwright.features.feature import Feature
from trainwright.learners import learner_class, names
from trainwright.plan.model import LearnerChoice, Plan
from trainwright.plan.transforms import Interactions
from trainwright.select.portfolio import portfolio
from trainwright.tasks import TASKS, Task

SIGN: Final = {"increasing": 1, "decreasing": -1}
WITH_ORDER: Final = ("number", "yesno", "ordered")


def keeps(plan: Plan, learner: str) -> bool:
    """Whether this learner can keep the plan's constraints; any can where there are none."""
    return not plan.monotone or learner_class(learner).card.monotone


def able(choices: Sequence[LearnerChoice], plan: Plan) -> list[LearnerChoice]:
    """The candidates that can keep the plan's constraints."""
    return [choice for choice in choices if keeps(plan, choice.name)]


def left_out(plan: Plan) -> tuple[str, ...]:
    """The learners of our own list for the (resolved) plan's task that are not tried, because they cannot keep its constraints."""
    return tuple(dict.fromkeys(choice.name for choice in portfolio(TASKS[plan.task].output) if not keeps(plan, choice.name)))


def check_learner(plan: Plan, choice: LearnerChoice, task: Task) -> None:
    """Raises RequestError (TW067) for a learner that was asked for and cannot keep the constraints. The task's baselines run to be compared with."""
    if keeps(plan, choice.name) or choice in [LearnerChoice(name=name, settings={}) for name in task.baselines]:
        return
    can = [name for name in names() if task.name in learner_class(name).card.tasks and learner_class(name).card.monotone]
    raise RequestError(
        "TW067",
        f"{choice.name} cannot keep a monotone constraint",
        where="--monotone, --learners",
        why="what it predicts could go the other way",
        fix=f"take one that can: {', '.join(can)}",
    )


def check_constraints(plan: Plan, task: Task, dataset: Dataset) -> None:
    """Whether the constraints can be kept at all.

    Raises RequestError TW067 for a task of several classes, TW068 for a column that is not there, is no feature, has no order, or takes part in an
    interaction (a product with another column need not be monotone in it).
    """
    if not plan.monotone:
        return
    if task.output == "classes" and len(dataset.classes) > 2:
        raise RequestError(
            "TW067",
            f"a monotone constraint has no meaning for {len(dataset.classes)} classes",
            where="--monotone",
            why="the probability of one class can only rise as others fall",
            fix="predict a number, or two classes",
        )
    kinds = {feature.name: feature.kind for feature in dataset.features}
    for column in plan.monotone:
        if column not in kinds:
            known = column in dataset.table.columns
            near = None if known else nearest(column, kinds)
            what = f"column {column!r} is not learned from" if known else f"there is no column {column!r}"
            raise _refused(column, what, "the constraint would have no effect", f"did you mean {near!r}?" if near else "leave it out")
        if kinds[column] not in WITH_ORDER:
            turn = "its parts (month, weekday, hour) go round" if kinds[column] == "datetime" else "its values have no order"
            fix = f"if they have one, say it: --kind '{column}=ordered:low<medium<high'" if kinds[column] == "category" else "leave it out"
            raise _refused(column, f"column {column!r} is of kind {kinds[column]}", turn, fix)
    numbers = [name for name in plan.monotone if kinds[name] == "number"]
    for entry in plan.transforms:
        if isinstance(entry, Interactions) and (shared := [name for name in numbers if name in (entry.columns or (name,))]):
            fix = "name the columns of the interaction without it"
            raise _refused(shared[0], f"column {shared[0]!r} takes part in an interaction", "a product need not be monotone in its parts", fix)


def _refused(column: str, what: str, why: str, fix: str) -> RequestError:
    return RequestError("TW068", what, where=f"--monotone {column}", why=why, fix=fix)


def signs(features: Sequence[Feature], monotone: Mapping[str, str]) -> tuple[int, ...]:
    """For each feature 1, -1 or 0 (free): the feature that is a constrained column itself. Whether the column has a value stays free. () for none."""
    if not monotone:
        return ()
    own = ("number", "indicator")  # yes or no, where its gaps are kept
    return tuple(SIGN[monotone[f.origin]] if f.kind in own and f.name == f.origin and f.origin in monotone else 0 for f in features)
