"""A plan as a command line: whole, or said to be none."""

from __future__ import annotations

import shlex

import pytest

from trainwright.cli.flags import with_asked
from trainwright.data.dataset import Finding
from trainwright.data.read import stop_at_findings
from trainwright.errors import FindingStop
from trainwright.plan.command import can_say, command_of
from trainwright.plan.read import make_plan

LEAK = Finding("TW101", "a leak", True, "x", "x is the target", "why", "fix", columns=("x",))


@pytest.mark.parametrize("learner", [
    {"name": "tabular/logistic", "balance": "smote"}, {"name": "tabular/logistic", "settings": {}}, {"name": "tabular/tree", "balance": "weights"},
])  # fmt: skip
def test_what_no_command_line_can_say_is_sent_to_the_plan_file(learner: dict[str, object]) -> None:
    plan = make_plan({"source": "t.csv", "target": "y", "learners": [learner]})
    assert not can_say(plan)
    with pytest.raises(FindingStop) as caught:
        stop_at_findings((LEAK,), plan)
    assert "write into the plan file: drop: [x]" in caught.value.fix
    assert "trainwright train" not in caught.value.fix


def test_what_a_command_line_can_say_it_says_whole() -> None:
    """The words of the command, parsed by the flags themselves, ask for the same plan."""
    import click

    fields = {
        "source": "b.xlsx", "sheet": "the second", "target": "y", "drop": ["a,b", "line\nbreak", "c"], "learners": [{"name": "tree"}],
        "imbalance": ["weights", "over"], "threshold": "f1", "kinds": {"password": "category"},
    }  # fmt: skip
    plan = make_plan(fields)
    assert can_say(plan)
    with pytest.raises(FindingStop) as caught:
        stop_at_findings((LEAK,), plan.model_copy(update={"allow": ()}))
    command = command_of(plan)
    assert command.split(" --allow")[0] in caught.value.fix

    @click.command()
    @with_asked
    @click.argument("source")
    def verb(asked: dict[str, object], source: str) -> object:
        return make_plan(asked | {"source": source})

    assert verb.main(shlex.split(command)[2:], standalone_mode=False) == plan
