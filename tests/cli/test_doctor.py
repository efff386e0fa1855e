"""`trainwright doctor` lists the extras that the package's metadata names, whatever these are."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from trainwright.cli import main

ROOT = Path(__file__).resolve().parents[2]


def install(folder: Path, requirements: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata as an installer leaves it, which comes before any other."""
    info = folder / "trainwright-99.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: trainwright", "Version: 99.0", *(f"Requires-Dist: {text}" for text in requirements)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(folder))
    assert metadata.version("trainwright") == "99.0"


def test_each_extra_of_the_project_with_each_of_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install(tmp_path, ["numpy>=1", *(f"{text}; extra == '{extra}'" for extra, texts in extras.items() for text in texts)], monkeypatch)
    there = {name for each in metadata.distributions() if (name := each.metadata["Name"])}
    folded = {re.sub(r"[-_.]+", "-", name).lower() for name in there}
    assert main(["doctor", "--json"]) == 0  # where these tests run, `tables` is complete
    seen = json.loads(capsys.readouterr().out)
    wanted = {extra: {re.split(r"[\[><=;]", text)[0] for text in texts} for extra, texts in extras.items() if extra != "dev"}
    assert {"tables", "excel", "postgres", "boost", "glassbox"} <= set(seen["missing"]) == set(wanted)
    assert {extra: set(names) for extra, names in seen["missing"].items()} == {
        extra: {name for name in names if name.replace("_", "-").lower() not in folded} for extra, names in wanted.items()
    }


def test_what_is_missing_is_named_and_the_needed_extra_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["numpy>=1", "no-such-package>=2; extra == 'more'", 'pyyaml ; python_version>"3" and extra == "more"', "polars; extra == 'tables'"]
    install(tmp_path, [*asked, "pytest-cpu; extra == 'tables'"], monkeypatch)  # another build that brings the module pytest
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "[more] lacks no-such-package: pip install 'trainwright[more]'" in told
    assert "[tables] complete" in told
    (tmp_path / "trainwright-99.0.dist-info" / "METADATA").write_text(
        "Name: trainwright\nVersion: 99.0\nRequires-Dist: nothing-like-it; extra == 'tables'\n"
    )
    assert main(["doctor"]) == 6
