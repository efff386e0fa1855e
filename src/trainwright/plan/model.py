"""The plan: what is asked, with every default documented. The command line, the YAML file and the Python call are this one model.

Before `select.resolve` a plan may say "auto"; afterwards nothing is left open, and `train plan.yaml` runs the same thing again.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from trainwright.credentials import take_out
from trainwright.plan.transforms import Auto, Transforms
from trainwright.runtime.schema import KINDS
from trainwright.runtime.spelling import SPELLINGS, Spelling

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def seconds(value: Any) -> Any:
    """60, "60s", "2m", "1.5h" → seconds. Raises ValueError for anything else."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h)?\s*", value)
        if not match:
            raise ValueError("write a time like 60s, 5m or 1h")
        return float(match[1]) * UNITS[match[2] or "s"]
    return value


def size(value: Any) -> Any:
    """4000000000, "4GB", "512MiB" → bytes. Raises ValueError for anything else."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?B|B)?\s*", value)
        if not match:
            raise ValueError("write a size like 4GB or 512MiB")
        return int(float(match[1]) * BYTES[match[2] or ""])
    return value


def stated_shares(value: Any) -> Any:
    """A file's name, {column: {level: share}}, or cells as [{column: level, share: 0.5}]. Raises ValueError for anything else."""

    def is_share(share: Any) -> bool:
        return isinstance(share, int | float) and not isinstance(share, bool)

    if isinstance(value, str | None):
        return value
    if isinstance(value, dict) and all(isinstance(levels, dict) and all(map(is_share, levels.values())) for levels in value.values()):
        return {str(column): {_level(level): float(share) for level, share in levels.items()} for column, levels in value.items()}
    if isinstance(value, list | tuple) and all(isinstance(cell, dict) and is_share(cell.get("share")) for cell in value):
        return tuple({str(name): float(part) if name == "share" else _level(part) for name, part in cell.items()} for cell in value)
    raise ValueError("a population is a file with levels and their share, or {column: {level: share}}, or [{column: level, share: 0.5}]")


def _level(level: Any) -> str:
    """A level as text; YAML reads yes and no as truth values."""
    return {True: "yes", False: "no"}[level] if isinstance(level, bool) else str(level)


def as_list(value: Any) -> Any:
    """One word stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def named_learners(value: Any) -> Any:
    """ "lightgbm" stands for {name: lightgbm}, alone or in a list."""
    return tuple({"name": item} if isinstance(item, str) else item for item in as_list(value)) if isinstance(value, str | list | tuple) else value


def known_threshold(value: Any) -> Any:
    """Raises ValueError for what is neither a word that is known nor a probability."""
    if value in ("auto", "likeliest", "accuracy", "balanced_accuracy", "f1", "mcc"):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError("write a probability from 0 to 1, auto, likeliest, accuracy, balanced_accuracy, f1 or mcc")
    return f"{number:g}"


def known_kind(value: str) -> str:
    """Raises ValueError for a kind that there is not."""
    if value not in KINDS and not (value.startswith("ordered:") and "<" in value):
        raise ValueError(f"a kind is one of {', '.join(KINDS)}, or ordered:low<medium<high")
    return value


Monotone = dict[str, Literal["increasing", "decreasing"]]
RowNumber = Annotated[int, Field(ge=0)]
Spellings = Annotated[tuple[Spelling, ...], BeforeValidator(as_list, json_schema_input_type=str | tuple[str, ...])]
Shares = str | dict[str, dict[str, float]] | tuple[dict[str, str | float], ...]  # a file; shares by column and level; cells with their share
Population = Annotated[Shares, BeforeValidator(stated_shares, json_schema_input_type=Shares)]
AskedThreshold = Annotated[str, BeforeValidator(known_threshold, json_schema_input_type=str | float)]
Ways = Annotated[
    tuple[Literal["auto", "none", "weights", "over", "under", "smote"], ...], BeforeValidator(as_list, json_schema_input_type=str | tuple[str, ...])
]
Names = Annotated[tuple[str, ...], BeforeValidator(as_list, json_schema_input_type=str | tuple[str, ...])]
Where = Annotated[str, AfterValidator(take_out)]  # a URL loses its password at once: what a plan never held, it cannot show
WhereWithPart = Annotated[str, AfterValidator(partial(take_out, part=True))]
AskedKind = Annotated[str, AfterValidator(known_kind)]
Seconds = Annotated[float, BeforeValidator(seconds), PlainSerializer(lambda s: f"{s:.12g}s", return_type=str, when_used="unless-none"), Field(gt=0)]
Bytes = Annotated[int, BeforeValidator(size), Field(gt=0)]


class Part(BaseModel):
    """Frozen, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Allow(Part):
    """A blocking finding that is let through; the reason is kept in the record and shown in the report."""

    code: str = Field(pattern=r"^TW1\d\d$")
    because: str = Field(min_length=3)


class Fixing(Part):
    """One entry of the cleaning ledger: what is to be done to the data, and why. Entries are carried out in the order of the plan."""

    do: str
    because: str = Field(min_length=3, description="The reason, or the code of the finding that proposed it; kept in the record.")


class ByRows(Fixing):
    """A fix that names rows of one very file: with another file (tomorrow's export) these numbers would mean other rows."""

    rows: tuple[RowNumber, ...] = Field(min_length=1, description="Row numbers, counted from 0.")
    of: str = Field(pattern=r"^[0-9a-f]{64}$", description="The digest of the source whose rows are meant.")

    @model_validator(mode="after")
    def _each_once(self) -> ByRows:
        if len(set(self.rows)) != len(self.rows):
            raise ValueError("a row is named twice in one fix")
        return self


class DropDuplicates(Fixing):
    """Rows that repeat an earlier row in every feature and the target are set aside, before the split is drawn."""

    do: Literal["drop duplicates"]


class DropRows(ByRows):
    """These rows are not learned from. Sealed rows among them stay."""

    do: Literal["drop rows"]


class Relabel(ByRows):
    """These rows are learned from with another target. Sealed rows among them keep theirs."""

    do: Literal["relabel"]
    to: tuple[str | float, ...] = Field(description="The target of each row, in the order of `rows`: a class, or a number.")

    @model_validator(mode="after")
    def _as_many(self) -> Relabel:
        if len(self.to) != len(self.rows):
            raise ValueError(f"there are {len(self.rows)} rows but {len(self.to)} new targets")
        return self


class Merge(Fixing):
    """Words that mean the same become one word, at serving too: by a rule (nothing of the data is stored) or by name."""

    do: Literal["merge"]
    column: str
    rule: Spellings = Field((), description=f"Spellings that count as one: {', '.join(SPELLINGS)}.")
    words: dict[str, str] = Field({}, description="{variant: the word that is kept}.")

    @model_validator(mode="after")
    def _something(self) -> Merge:
        if not self.rule and not self.words:
            raise ValueError("a merge needs a rule or words")
        for variant in self.words:
            seen, word = {variant}, self.words[variant]
            while word in self.words and word not in seen:
                seen.add(word)
                word = self.words[word]
            if word in seen:
                raise ValueError("a word is merged into itself")
        return self


class Cap(Fixing):
    """Numbers beyond an end are read as that end, at serving too."""

    do: Literal["cap"]
    column: str
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> Cap:
        if self.low is None and self.high is None:
            raise ValueError("a cap needs low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Weigh(Fixing):
    """Rows are weighted so that their shares are those of the stated target population."""

    do: Literal["weight"]
    population: Population | None = Field(None, description="The expected shares; the plan's own when not given.")
    trim: float = Field(10.0, gt=1, description="No row counts more than this many times the mean row.")


Fix = Annotated[DropDuplicates | DropRows | Relabel | Merge | Cap | Weigh, Field(discriminator="do")]


Balance = Literal["none", "weights", "over", "under", "smote"]
"""How a rare class is made to count: not at all, by weights, by repeating its rows, by leaving out others' rows, by rows drawn between its own."""


class LearnerChoice(Part):
    """A learner's name and, for one exact candidate, settings that replace its defaults (checked by the learner itself).

    Without settings it stands for all configurations of that learner in our list; `settings: {}` are its defaults.
    """

    name: str
    settings: dict[str, Any] | None = None
    balance: Balance = "none"


Learners = Annotated[tuple[LearnerChoice, ...], BeforeValidator(named_learners, json_schema_input_type=str | tuple[LearnerChoice | str, ...])]


class Plan(Part):
    """What to learn from which data, under which limits."""

    source: Where | None = Field(
        None,
        description="A CSV, TSV, JSON, Excel, Parquet or SQLite file, a folder of such, sqlite:///FILE or postgresql://…; none for a frame.",
    )
    table: str | None = Field(None, min_length=1, description="The table of a database, with its schema or without.")
    query: str | None = Field(None, min_length=1, description="One SELECT in the place of a table; with ORDER BY, its rows keep that order.")
    sheet: str | None = Field(None, min_length=1, description="The sheet of a workbook; the first that is not empty when not given.")
    target: str | None = Field(None, description="The column to predict.")
    task: str = Field("auto", description="binary, multiclass or regression; auto looks at the target.")
    metric: str = Field("auto", description="The primary metric, by which candidates are chosen; auto follows the task.")
    positive: str | None = Field(None, description="The class that counts as 'yes' in a task of two classes.")
    split: str = Field("auto", pattern=r"^(auto|random|given|group:.+|time:.+|given:.+)$", description="random, group:COL, time:COL or given:COL.")
    test: WhereWithPart | None = Field(None, description="A source of its own with the sealed rows: FILE, WORKBOOK#SHEET or URL#TABLE.")
    folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation.")
    kinds: dict[str, AskedKind] = Field({}, description="Kinds that replace the inferred ones: {column: kind}, or {column: ordered:low<medium<high}.")
    drop: Names = Field((), description="Columns that are not to be learned from.")
    clean: tuple[Fix, ...] = Field((), description="What is done to the data before it is learned from: fixes that findings proposed, accepted.")
    weight: str | None = Field(None, description="A column of row weights; it is no feature.")
    population: Population | None = Field(None, description="The expected shares of the target population: a file with levels and their share.")
    protected: Names = Field((), description="Columns by which bias is looked for.")
    monotone: Monotone = Field({}, description="Columns along which what is predicted may only rise, or only fall: {column: increasing}.")
    learners: Learners = Field((), description="The candidates, in order; empty means our own list.")
    transforms: Transforms = Field((Auto(),), description="auto, none, or a list: target_encoding, text, clip, bin, interact, windows.")
    imbalance: Ways = Field(("auto",), description="How rare classes are made to count: auto, none, or any of weights, over, under, smote.")
    threshold: AskedThreshold = Field(
        "auto", description="Of two classes, where the second is said: likeliest, best for f1, mcc, accuracy or balanced_accuracy, or a probability."
    )
    time: Seconds | None = Field(None, description="Wall time from process start to exit; 60s when neither limit is given.")
    candidates: int | None = Field(None, ge=1, description="A budget in work units in the place of time: the same result on any clock.")
    memory: Bytes | None = Field(None, description="Cap over all processes; 80 % of what this process may use when not given.")
    rows: int | None = Field(None, ge=100, description="Training rows at most, a sample of the open ones; as many as fit the memory when not given.")
    workers: int | None = Field(
        None, ge=1, description="Candidates that are trained at once; the cores that this process may use, parted by the threads, when not given."
    )
    threads: int = Field(1, ge=1, description="Threads of one fit.")
    engine: Literal["local", "inline"] = Field("local", description="Where work runs: this machine's processes, or this very process.")
    allow: tuple[Allow, ...] = Field((), description="Blocking findings that are let through, each with its reason.")
    seed: int = Field(0, ge=0, lt=2**32, description="All randomness derives from it.")
    out: Path = Field(Path("runs"), description="The folder in which the run's folder is made.")
    keep_data: bool = Field(True, description="Keep the rows as read beside the run; otherwise only digests.")

    @model_validator(mode="after")
    def _one_table(self) -> Plan:
        if self.table is not None and self.query is not None:
            raise ValueError("give table or query, not both: a query names its tables itself")
        return self

    @model_validator(mode="after")
    def _one_budget(self) -> Plan:
        if self.time is not None and self.candidates is not None:
            raise ValueError("give time or candidates, not both: one is a limit of the clock, the other of work")
        return self
