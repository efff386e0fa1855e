"""Which column could be the target, where nobody has named one.

Takes    a typed table.
Gives    names, the likeliest first, each with its reason.
"""

from __future__ import annotations

from trainwright.data.dataset import Table


def likely_targets(table: Table) -> list[tuple[str, str]]:
    """The columns that could be the target, the likeliest first, each with its reason; at most ten.

    Judged by name ("target", "label", …), by place (the last column) and by kind; no value is looked for.
    """
    names = {"target", "label", "class", "y", "outcome", "response", "result", "status", "churn", "default", "fraud", "survived", "risk"}
    names |= {"income", "price", "salary", "cost", "charges", "sales", "demand", "quality", "type", "species"}
    scored = []
    for place, d in enumerate(table.described):
        kind, name = d.schema.kind, d.schema.name
        classes = kind in ("yesno", "category", "ordered")
        if not (classes or kind == "number") or d.distinct < 2 or (classes and d.distinct > max(20, table.rows // 20)):
            continue
        words = name.casefold().replace("-", "_").replace(" ", "_").split("_")
        reasons = []
        if name.casefold() in names:
            reasons.append((4, "its name"))
        elif set(words) & names or words[0] in ("is", "has", "will", "next"):
            reasons.append((2, "a word in its name"))
        if place == len(table.described) - 1:
            reasons.append((3, "the last column"))
        reasons.append((1 if classes else 0, "numbers" if kind == "number" and d.distinct > 10 else f"{d.distinct} distinct values"))
        scored.append((-sum(points for points, _ in reasons), place, name, ", ".join(word for _, word in reasons)))
    return [(name, reason) for _, _, name, reason in sorted(scored)[:10]]
