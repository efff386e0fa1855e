"""Cleaning as a ledger: what findings proposed and a person accepted, done in a fixed order, counted, and undone by taking the entry out.

In       a typed table and the entries of a plan's `clean`.
Out      the table, the splits, the target and the weights as they are learned from, and one `Done` for each entry: what it changed.
Order    columns first (merge, cap: rules of the schema, so that served rows are read by them as well), then duplicates, then the splits
         are drawn, then rows (drop, relabel), then weights; entries of one stage in the order of the plan.
Sealed   rows stay, and no label of theirs is corrected, whatever is entered: only a duplicate is set aside before the split, so that no copy
         stands on both sides. A figure on corrected labels would be another claim than the one that a test makes. What is done to columns
         is done to all rows, to served ones as well; a merge of the target's words says what the classes are, and is told with the number
         of sealed cells that it renamed.
"""

from trainwright.data.cleaning.columns import clean_columns
from trainwright.data.cleaning.done import Done, not_done, told
from trainwright.data.cleaning.population import coverage, margins_of, written_out
from trainwright.data.cleaning.rows import bound
from trainwright.data.cleaning.weights import population_of

__all__ = [
    "Done",
    "bound",
    "clean_columns",
    "coverage",
    "margins_of",
    "not_done",
    "population_of",
    "told",
    "written_out",
]
