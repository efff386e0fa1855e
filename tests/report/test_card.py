"""The card: the sections of Mitchell et al., the evidence's numbers, gaps where people have not spoken, and nothing of clock or machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import made_runs as made
import pytest
import yaml

from trainwright.report.card import card_text, write_card

SECTIONS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


def parts(folder: Path) -> dict[str, Any]:
    board = json.loads((folder / "leaderboard.json").read_text())
    return {
        "plan": yaml.safe_load((folder / "plan.yaml").read_text()),
        "dataset": json.loads((folder / "dataset.json").read_text()),
        "evidence": json.loads((folder / "evidence.json").read_text()),
        "chosen": next(e for e in board if e["chosen"]),
    }


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.binary(tmp_path_factory.mktemp("card"))


def test_sections_and_numbers(binary: Path) -> None:
    text = write_card(binary).read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    evidence = parts(binary)["evidence"]
    auc = evidence["metrics"]["roc_auc"]
    assert f"| ROC AUC | {auc['value']:.3f} | {auc['low']:.3f} to {auc['high']:.3f} | 3,000 | higher is better |" in text
    assert "15,010 rows read = 15,000 used + 10 set aside; 10: the target is missing" in text
    assert "TW101 column equals the target (blocking)" in text
    assert "Let through because: it is known before the decision" in text
    assert "Bias was looked for by: sex." in text
    assert text.count("*Not stated.*") == 8


def test_nothing_of_clock_machine_or_place(binary: Path) -> None:
    before = parts(binary)
    text = card_text(**before)
    after = parts(binary)
    after["chosen"] |= {"seconds": 99.0, "memory_bytes": 1, "latency_us": 1e6, "bundle_bytes": 7, "iterations": 3}
    after["plan"] |= {"time": "10s", "memory": 1, "workers": 64, "threads": 8, "out": "/elsewhere", "source": "/mnt/other/adult.csv"}
    after["dataset"]["source"]["path"] = "/mnt/other/adult.csv"
    assert card_text(**after) == text
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b|/mnt|/home|µs| ms\b", text)


def test_hostile_names_stay_text(binary: Path) -> None:
    given = parts(binary)
    name = "a|b](https://evil.example)<script>`*_\u202e\n# heading"
    given["dataset"]["target"] = name
    given["dataset"]["described"][0]["name"] = name
    given["dataset"]["findings"] = [made.finding("TW120", name, what=name, where=name)]
    text = card_text(**given)
    assert re.findall(r"^#+ (.+)$", text, re.M)[1:] == SECTIONS
    assert "\u202e" not in text
    assert re.search(r"(?<!\\)<script", text) is None
    assert re.search(r"(?<!\\)\]\(", text) is None
    row = next(line for line in text.splitlines() if "| number | feature |" in line and "evil" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_gaps_are_gaps(binary: Path) -> None:
    given = parts(binary)
    given["evidence"]["metrics"]["roc_auc"] |= {"value": None, "low": None, "high": None}
    given["evidence"]["baselines"] = {}
    given["plan"]["protected"], given["dataset"]["described"][2]["role"] = [], "feature"
    text = card_text(
        **given,
    )
    assert "| ROC AUC | not measured | no interval |" in text
    assert "No baseline was measured." in text
    assert "No protected attribute was named" in text
    assert "None" not in text
