"""What a bundle shows in a notebook: its own facts, and nothing that a stranger put there as anything but words."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from trainwright.runtime.notebook import glance
from trainwright.runtime.schema import ColumnSchema

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a'b&amp;c", "\u202egnp.exe", "</table></div>", "javascript:alert(1)"]


def words(page: str) -> tuple[set[str], str]:
    """The tags of a page, which must be well formed, and its text."""
    tree = ET.fromstring(page)
    return {element.tag for element in tree.iter()}, "\n".join(tree.itertext())


def shown(names: list[str]) -> str:
    metrics = {name: {"value": 0.5, "low": 0.4, "high": 0.6, "better": name} for name in names}
    manifest = {"steps": [{"kind": name} for name in names], "marks": dict.fromkeys(names, True)}
    features = [ColumnSchema(name=name, kind="number") for name in names]
    return glance(
        task=names[0], classes=names, features=features, manifest=manifest, evidence={"metrics": metrics, "metric": names[1]}, digest=names[2]
    )


def test_hostile_words_stay_words() -> None:
    tags, text = words(shown(HOSTILE))
    assert tags == {"div", "p", "table", "tr", "th", "td", "thead", "tbody"}
    assert "<script>alert(1)</script>" in text
    assert "\u202e" not in text
    assert "\\u202egnp.exe" in text


def test_it_says_what_the_bundle_says() -> None:
    page = shown([f"name {number}" for number in range(15)])
    _, text = words(page)
    assert "15 columns: name 0 (number), " in text
    assert "name 11 (number) and 3 more" in text
    assert "name 12 (number)" not in text
    assert "0.4 to 0.6" in text
    assert text.index("name 1\n0.5") < text.index("name 0\n0.5")  # the primary metric first


def test_without_evidence_it_says_so() -> None:
    _, text = words(glance(task="regression", classes=(), features=(), manifest={}, evidence={}, digest="d" * 64))
    assert "not measured" in text
    assert "a number" in text
    assert "interval" not in text
