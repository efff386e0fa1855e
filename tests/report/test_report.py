"""The page holds what the JSON says, loads nothing, stays whole whatever names the data brings, and can be read in both themes."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import shlex
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import made_runs as made
import pytest
import yaml

from trainwright.errors import CheckFailed, RequestError
from trainwright.record.log import Event
from trainwright.report import numbers
from trainwright.report.records import stages_of
from trainwright.report.terminal import summary_lines
from trainwright.report.write import write_report

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a'b&amp;c",
    "{{ 7*7 }}",
    "\u202egnp.exe",
    "https://evil.example/x",
    "tab\there",
    "</title></svg>",
    "日本語",
    "ש" * 40,
]


class Page(HTMLParser):
    """Balance, headings, ids, links and `data` elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.errors: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if len({name for name, _ in attrs}) != len(attrs):
            self.errors.append(f"an attribute twice in {tag}")
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.data.append((dict(attrs)["value"] or "", ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> closes nothing that is open at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "data":
            self.data[-1] = (self.data[-1][0], self.data[-1][1] + data)
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words).replace("\xa0", " "))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    names = HOSTILE + [f"class {i}" for i in range(16)]
    hostile = made.multiclass(root / "hostile", classes=26, columns=200, candidates=60, names=names)
    dataset = json.loads((hostile / "dataset.json").read_text())
    for column, name in zip(dataset["described"], HOSTILE, strict=False):
        column |= {"name": name, "flag": f"--kind {name}=category", "why": f"why {name}", "note": name}
    dataset["target"] = HOSTILE[0]
    dataset["source"]["path"] = HOSTILE[1]
    dataset["dropped"] = {HOSTILE[0]: 3}
    dataset["findings"] = [made.finding("TW101", "leak", blocking=True, where=HOSTILE[0], what=f"{HOSTILE[1]} equals {HOSTILE[4]}")]
    (hostile / "dataset.json").write_text(json.dumps(dataset))
    found = {
        "binary": made.binary(root / "binary"),
        "multiclass": made.multiclass(root / "multiclass"),
        "regression": made.regression(root / "regression"),
        "hostile": hostile,
    }
    for folder in found.values():
        write_report(folder)
    return found


ALL = ("binary", "multiclass", "regression", "hostile")


def read(folders: dict[str, Path], name: str) -> tuple[str, Page]:
    text = (folders[name] / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.mark.parametrize("name", ALL)
def test_page_is_balanced_small_and_has_its_landmarks(folders: dict[str, Path], name: str) -> None:
    text, page = read(folders, name)
    assert page.errors == []
    assert page.open == []
    assert len(text.encode()) < 1_000_000
    tags = [tag for tag, _ in page.tags]
    assert [tags.count(tag) for tag in ("html", "header", "nav", "main", "footer", "h1", "title")][:6] == [1] * 6
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs["href"][1:] in ids for tag, attrs in page.tags if tag == "a" and (attrs["href"] or "").startswith("#"))
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert tags.count("table") == tags.count("caption") >= 4


@pytest.mark.parametrize("name", ALL)
def test_page_loads_nothing_and_runs_nothing(folders: dict[str, Path], name: str) -> None:
    text, page = read(folders, name)
    assert "script" not in [tag for tag, _ in page.tags]
    for tag, attrs in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "form", "base")
        assert "style" not in attrs
        assert not any(key.startswith("on") for key in attrs)
        for key in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            assert attrs.get(key, "#") in ("data:,",) or (attrs.get(key) or "#").startswith("#"), (tag, attrs)
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    policy = next(attrs["content"] for tag, attrs in page.tags if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("name", ALL)
def test_every_picture_is_xml_and_tells_itself_to_a_reader(folders: dict[str, Path], name: str) -> None:
    text, _ = read(folders, name)
    pictures = re.findall(r"<svg.*?</svg>", text, re.S)
    assert len(pictures) >= 6
    for picture in pictures:
        root = ET.fromstring(picture)
        if root.get("aria-hidden") == "true":
            continue
        assert root.get("role") == "img"
        named = {child.get("id"): child.text for child in root if child.tag in ("title", "desc")}
        assert all(named[identifier] for identifier in (root.get("aria-labelledby") or "").split())
        assert not re.search(r"\b(nan|inf)\b", picture)
        _, _, width, height = map(float, (root.get("viewBox") or "").split())
        for text_element in root.iter("text"):
            assert -1 <= float(text_element.get("x", 0)) <= width
            assert -1 <= float(text_element.get("y", 0)) <= height


def test_hostile_names_stay_text(folders: dict[str, Path]) -> None:
    text, page = read(folders, "hostile")
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\\u202egnp.exe" in page.text  # shown, written out
    for name in HOSTILE[:4]:
        assert name in page.text
    assert "49" not in [word for word in page.text.split() if word == "{{49}}"]
    lines = "\n".join(summary_lines(folders["hostile"]))
    assert "\u202e" not in lines
    assert "\x1b" not in lines


@pytest.mark.parametrize("name", ALL)
def test_numbers_on_the_page_are_those_of_the_files(folders: dict[str, Path], name: str) -> None:
    _, page = read(folders, name)
    evidence, board = (json.loads((folders[name] / f"{file}.json").read_text()) for file in ("evidence", "leaderboard"))
    shown = {float(value) for value, _ in page.data}
    for entry in (*evidence["metrics"].values(), *(m for b in evidence["baselines"].values() for m in b["metrics"].values())):
        assert entry["value"] in shown
    assert {e[key] for e in board for key in ("score", "seconds", "memory_bytes") if e[key] is not None} <= shown
    assert evidence["rows"] in shown
    for value, said in page.data:
        digits = re.match(r"−?[\d,]+(\.\d+)?", said)
        if digits is None:
            assert said == "none"
            continue
        number, places = float(digits[0].replace(",", "").replace("−", "-")), len(digits[1] or ".") - 1
        rest = said[digits.end() :].strip().split(" ")[0]
        unit = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "MB": 1e6, "KB": 1e3, "GB": 1e9, "µs": 1.0, "(": 1.0}.get(
            rest[:2].rstrip("0123456789"), 1.0
        )
        assert number * unit == pytest.approx(float(value), abs=max(0.5000001 * 10**-places * unit, 0.01 * abs(float(value)) if unit > 1 else 0)), (
            value,
            said,
        )


def test_headline_says_what_the_evidence_says(folders: dict[str, Path]) -> None:
    evidence = json.loads((folders["binary"] / "evidence.json").read_text())
    auc, base = evidence["metrics"]["roc_auc"], evidence["baselines"]["tabular/logistic"]
    _, page = read(folders, "binary")
    assert f"ROC AUC is {auc['value']:.3f} (95 % interval {auc['low']:.3f} to {auc['high']:.3f})" in page.text
    assert f"the model is clearly better, by {base['difference']['value']:.3f}" in page.text
    assert "Measured on 3,000 rows that were sealed" in page.text
    assert "Let through because: it is known before the decision" in page.text
    assert "15,010 rows read = 15,000 used + 10 set aside" in page.text
    assert page.text.index("TW101") < page.text.index("TW110") < page.text.index("TW130")


def test_no_clear_gain_is_said_so(folders: dict[str, Path]) -> None:
    difference = json.loads((folders["regression"] / "evidence.json").read_text())["baselines"]["tabular/linear"]["difference"]
    assert difference["low"] < 0 < difference["high"]
    _, page = read(folders, "regression")
    assert "not clearly better than linear regression" in page.text
    assert "nested cross-validation over 240 rows, 3 times over" in page.text
    lines = " ".join(summary_lines(folders["regression"]))
    assert "It is not clearly better than linear regression, which is simpler." in lines
    assert (folders["regression"] / "report.html").as_uri() in lines


def test_gaps_show_as_gaps(folders: dict[str, Path], tmp_path: Path) -> None:
    _, page = read(folders, "binary")
    assert "out of memory" in page.text
    assert "it passed 4.0 GB after 12 s" in page.text
    assert "no score" in page.text
    folder = made.regression(tmp_path / "gaps")
    evidence = json.loads((folder / "evidence.json").read_text())
    evidence["metrics"]["rmse"] |= {"value": None, "low": None, "high": None, "why": "there is no row to measure on"}
    evidence["metrics"]["mae"] |= {"low": None, "high": None, "why": "too few units"}
    evidence["baselines"]["tabular/linear"]["difference"] = {"value": None, "low": None, "high": None}
    evidence["curves"] = {
        "residuals": {"cells": [], "cell": [], "by_predicted": [], "histogram": {"edges": [], "rows": []}, "band": None, "why": "fewer than 10 rows"}
    }
    (folder / "evidence.json").write_text(json.dumps(evidence))
    for name in ("summary.json", "lock.txt", "asked.yaml"):
        (folder / name).unlink()
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    for words in (
        "was not measured",
        "there is no row to measure on",
        "no interval",
        "too few units",
        "Errors: not measured",
        "Fewer than 10 rows",
        "No lock was recorded",
        "not recorded",
    ):
        assert words.lower() in text.lower(), words
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_a_folder_that_is_no_run_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"TW006.*plan\.yaml"):
        write_report(tmp_path)
    folder = made.regression(tmp_path / "cut")
    (folder / "evidence.json").write_text('{"metrics": ')
    with pytest.raises(CheckFailed, match=r"TW083.*evidence\.json is not JSON"):
        write_report(folder)


def test_next_commands_ask_for_the_same_again(tmp_path: Path) -> None:
    folder = made.binary(tmp_path / "my runs" / "a b")
    asked = {"source": "data/my adult.csv", "target": "income", "split": "group:id", "positive": ">50K", "time": "60s", "drop": ["x"]}
    (folder / "asked.yaml").write_text(yaml.safe_dump(asked))
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    assert "trainwright train 'data/my adult.csv' --target income --positive '>50K' --split group:id --time 300" in text
    assert "trainwright check 'data/my adult.csv' --target income --positive '>50K' --split group:id --drop x" in text
    assert f"trainwright predict '{folder}' 'data/my adult.csv' -o predictions.csv" in text


@pytest.mark.parametrize("part", [{"sheet": "the second"}, {"table": "sales"}, {"query": "SELECT * FROM sales"}])
def test_next_commands_name_the_same_table(tmp_path: Path, part: dict[str, str]) -> None:
    folder = made.binary(tmp_path / "run")
    (folder / "asked.yaml").write_text(yaml.safe_dump({"source": "book.xlsx", "target": "income", "time": "60s", **part}))
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    flag = shlex.join([f"--{next(iter(part))}", next(iter(part.values()))])
    assert f"trainwright predict {folder} book.xlsx {flag} -o predictions.csv" in text
    assert f"trainwright check book.xlsx {flag} --target income" in text
    assert f"trainwright train book.xlsx {flag} --target income --time 300" in text


def test_what_no_command_can_say_is_asked_for_by_the_file_that_says_it(tmp_path: Path) -> None:
    folder = made.binary(tmp_path / "run")
    asked = {"source": "a.csv", "target": "income", "time": "60s", "learners": [{"name": "tabular/logistic", "balance": "smote"}]}
    (folder / "asked.yaml").write_text(yaml.safe_dump(asked))
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    assert f"trainwright train {folder}/asked.yaml --time 300s" in text
    assert "--learners" not in text


def test_a_model_that_looks_at_nothing_is_said_to(tmp_path: Path) -> None:
    folder = made.binary(tmp_path / "dummy")
    board = json.loads((folder / "leaderboard.json").read_text())
    for entry in board:
        entry["chosen"] = entry["learner"] == "tabular/dummy"
    (folder / "leaderboard.json").write_text(json.dumps(board))
    lines = "\n".join(summary_lines(folder))
    assert "The model looks at no column" in lines
    assert "Next    trainwright train data/adult.csv --target income --time 300" in lines  # more time comes first


def test_a_better_candidate_that_did_not_ship_is_told_first(tmp_path: Path) -> None:
    folder = made.regression(tmp_path / "over")
    board, summary = (json.loads((folder / f"{name}.json").read_text()) for name in ("leaderboard", "summary"))
    board.insert(0, made.entry(3, "tabular/lightgbm", 25.25))
    (folder / "leaderboard.json").write_text(json.dumps(board))
    (folder / "summary.json").write_text(json.dumps(summary | {"warnings": ["tabular/lightgbm: out of time"]}))
    lines = summary_lines(folder)
    said = " ".join(" ".join(lines).split())
    assert "Random forest ships (cross-validated root mean squared error 31.2), although 1 candidate scored better" in said
    assert "gradient boosting (LightGBM) with 25.2" in said
    assert said.index("Beware - Random forest ships") < said.index("Passed over, tabular/lightgbm: out of time.") < said.index("not clearly better")


def test_time_is_told_by_stage_without_the_gap_between_sessions() -> None:
    kinds = [
        ("session", 0.0),
        ("dataset", 2.0),
        ("plan", 2.5),
        ("candidate started", 2.6),
        ("session", 500.0),
        ("candidate ended", 503.0),
        ("measured", 504.5),
        ("ended", 510.0),
    ]
    events = [Event(i, kind, at, {}, "") for i, (kind, at) in enumerate(kinds)]
    assert stages_of(events) == pytest.approx({"Reading and checking the data": 2.0, "Planning": 0.5, "Training candidates": 3.1, "Measuring": 1.5})


def test_report_is_the_same_when_made_again(folders: dict[str, Path]) -> None:
    before = (folders["binary"] / "report.html").read_bytes()
    assert write_report(folders["binary"]).read_bytes() == before


# --- colours -------------------------------------------------------------------------------------------------------------------------


def themes() -> dict[str, dict[str, str]]:
    style = (Path(numbers.__file__).parent / "templates/report.css").read_text()
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S))
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance, WCAG 2.2."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def rgb(text: str) -> tuple[float, ...]:
    return tuple(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_read(theme: str) -> None:
    c = {name: rgb(value) for name, value in themes()[theme].items()}
    text = [("ink", b) for b in ("paper", "surface", "rail", "main-soft", "warn-back", "stop-back", "good-back")]
    text += [("muted", b) for b in ("paper", "surface")] + [("main", b) for b in ("paper", "surface")]
    text += [("good", "good-back"), ("warn", "warn-back"), ("stop", "stop-back")]
    for ink, back in text:
        assert contrast(c[ink], c[back]) >= 4.5, (theme, ink, back)
    for mark in ("main", "other", "muted"):  # lines and dots: WCAG 1.4.11
        for back in ("surface", "main-soft"):
            assert contrast(c[mark], c[back]) >= 3, (theme, mark, back)
    for share in (0.0, 0.5, 1.0):  # text on the heat map's cells, as strong as charts.heatmap makes them
        opacity = 0.03 + 0.62 * share
        cell = tuple(opacity * h + (1 - opacity) * s for h, s in zip(c["heat"], c["surface"], strict=True))
        assert contrast(c["ink"], cell) >= 4.5, (theme, share)


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_shows_the_few_lines_of_the_run(folders: dict[str, Path], name: str) -> None:
    read(folders, name)  # which writes both files
    text = (folders[name] / "glance.html").read_text()
    page = Page(text)
    assert page.open == page.errors == []
    assert {tag for tag, _ in page.tags} <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "data", "ul", "li"}  # no script, style or link
    assert not any(key.startswith("on") or key in ("src", "href") for _, attributes in page.tags for key in attributes)
    board = json.loads((folders[name] / "leaderboard.json").read_text())
    shown = {float(value) for value, _ in page.data}
    assert {entry["score"] for entry in board[:5] if entry["score"] is not None} <= shown
    assert "\u202e" not in text
    assert len(text) < 20_000
