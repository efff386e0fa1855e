"""The package of docs/learners.md, built and installed by pip as the page has it, and used by real second processes that find it on their path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "learners.md"
NAME = "mine/discriminant"
ROWS = 1500
LOADED = "import sys, trainwright; b = trainwright.load(sys.argv[1]); print(b.verify()['model_digest'], *(m for m in sys.modules if 'mine' in m))"


def written(folder: Path, version: str = "1.0.0") -> Path:
    """The files of the page: each is a code block under its name."""
    found = re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [name for name, _ in found] == [
        "pyproject.toml",
        "src/mine_learners/__init__.py",
        "src/mine_learners/discriminant.py",
        "tests/test_discriminant.py",
    ]
    for name, text in found:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('version = "1.0.0"', f'version = "{version}"'), encoding="utf-8")
    return folder


def installed(package: Path, into: Path) -> Path:
    """By pip, from the folder, with nothing that is not here: no index, no build environment of its own."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--target"]
    done = subprocess.run([*command, str(into), str(package)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return into


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("mine-learners"))


@pytest.fixture(scope="module")
def site(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(package, tmp_path_factory.mktemp("site"))


def environment(site: Path | None) -> dict[str, str]:
    """That of a process which finds the package, or of one which does not."""
    paths = [str(site)] * (site is not None) + [os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def cli(*words: str | Path, site: Path | None, exit_code: int = 0) -> dict[str, Any]:
    """One command with --json in a process of its own, after the exit code was looked at."""
    command = [sys.executable, "-m", "trainwright", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(site))
    assert done.returncode == exit_code, done.stdout + done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes as normal clouds of one long shape: what a linear discriminant is made for. With a category, and gaps in one column."""
    rng = np.random.default_rng(5)
    side = rng.integers(0, 3, ROWS)
    values = rng.normal(size=(ROWS, 12)) @ rng.normal(size=(12, 12)) + rng.normal(size=(3, 12))[side]
    lines = [",".join([*(f"c{number}" for number in range(12)), "shade", "kind"])]
    for row, which in zip(values, side, strict=True):
        cells = ["" if place == 0 and rng.random() < 0.1 else f"{value:.4f}" for place, value in enumerate(row)]
        lines.append(",".join([*cells, str(rng.choice(["light", "dark"])), ("ash", "oak", "elm")[which]]))
    path = tmp_path_factory.mktemp("clouds") / "clouds.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def asked(table: Path, out: Path) -> list[str | Path]:
    return ["train", table, "--target", "kind", "--learners", NAME, "--candidates", "1", "--workers", "2", "--out", out]


@pytest.fixture(scope="module")
def run(clouds: Path, site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An undisturbed run, which the learner from outside wins."""
    return cli(*asked(clouds, tmp_path_factory.mktemp("runs")), site=site)


def test_the_page_s_own_test_passes(package: Path, site: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(package / "tests")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(site), cwd=package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_it_is_in_the_catalogue_where_it_is_installed_and_nowhere_else(site: Path) -> None:
    with_it, without = (cli("algorithms", site=place)["algorithms"] for place in (site, None))
    assert [entry for entry in with_it if entry not in without] == [entry for entry in with_it if entry["name"] == NAME]
    (mine,) = cli("algorithms", "discriminant", site=site)["algorithms"]
    assert (mine["name"], mine["tasks"], mine["interpretability"]) == (NAME, ["binary", "multiclass"], "glass-box")
    assert (mine["added_by"], {entry["added_by"] for entry in without}) == ("mine-learners 1.0.0", {None})
    assert mine["settings"] == [{"name": "shrinkage", "default": 0.01, "search": {"low": 1e-4, "high": 1.0, "scale": "log", "whole": False}}]


def test_it_runs_in_workers_and_the_record_names_its_package(run: dict[str, Any]) -> None:
    assert run["learner"] == NAME
    folder = Path(run["run"])
    entries = json.loads((folder / "leaderboard.json").read_text())
    assert {entry["learner"]: entry["outcome"] for entry in entries} == {NAME: "done", "tabular/dummy": "done", "tabular/logistic": "done"}
    assert "engine: local" in (folder / "plan.yaml").read_text()
    assert "mine-learners==1.0.0\n" in (folder / "lock.txt").read_text()


@pytest.mark.parametrize("moment", ["candidate started", "candidate ended", "shipped"])
def test_killed_and_resumed_it_comes_to_the_same_digests(run: dict[str, Any], clouds: Path, site: Path, tmp_path: Path, moment: str) -> None:
    command = [sys.executable, "-m", "trainwright", *map(str, asked(clouds, tmp_path))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(site))
    event = f'"kind":"{moment}".*"number":2[,}}]'  # candidate 2: those before it are the baselines
    while process.poll() is None and not any(re.search(event, log.read_text()) for log in tmp_path.glob("*/events.jsonl")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    (folder,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    assert not (folder / "summary.json").exists()
    if moment != "shipped":  # after that nobody needs the learner any more: the bundle is there
        refused = cli("train", "--resume", folder, site=None, exit_code=2)
        assert refused["code"] == "TW012"
        assert NAME in refused["what"]
    resumed = cli("train", "--resume", folder, site=site)
    assert (resumed["model_digest"], resumed["bundle_digest"]) == (run["model_digest"], run["bundle_digest"])


def test_it_is_reproduced_and_another_version_is_told(run: dict[str, Any], site: Path, tmp_path: Path) -> None:
    again = cli("reproduce", run["run"], "--out", tmp_path / "again", site=site)
    assert (again["same"], again["changed"]) == (True, [])
    assert again["bundle_digest"] == run["bundle_digest"]
    newer = installed(written(tmp_path / "package", "1.1.0"), tmp_path / "newer")
    again = cli("reproduce", run["run"], "--out", tmp_path / "again", site=newer)
    assert again["same"] is True  # the newer one learns the same
    assert again["changed"] == ["mine-learners: 1.0.0 then, 1.1.0 now"]
    assert cli("reproduce", run["run"], "--out", tmp_path / "again", site=None, exit_code=2)["code"] == "TW012"


def test_its_bundle_needs_no_package_of_anybody(run: dict[str, Any], clouds: Path, site: Path, tmp_path: Path) -> None:
    answers = []
    for place in (site, None):
        cli("predict", run["bundle"], clouds, "-o", tmp_path / "out.csv", site=place)
        answers.append((tmp_path / "out.csv").read_bytes())
        cli("verify", run["bundle"], site=place)
    assert answers[0] == answers[1]
    assert answers[0].count(b"\n") == ROWS + 1
    done = subprocess.run([sys.executable, "-c", "import mine_learners"], capture_output=True, check=False, env=environment(None))
    assert done.returncode != 0  # so it was not there
    for place in (site, None):  # and where it is there, nobody looks at it
        done = subprocess.run([sys.executable, "-c", LOADED, run["bundle"]], capture_output=True, text=True, check=True, env=environment(place))
        assert done.stdout.split() == [run["model_digest"]]


def test_a_wrong_setting_and_a_task_that_it_cannot_learn_are_refused(clouds: Path, site: Path, tmp_path: Path) -> None:
    plan = {"source": str(clouds), "target": "kind", "out": str(tmp_path), "learners": [{"name": NAME, "settings": {"shrinkage": 3}}]}
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    refused = cli("train", tmp_path / "plan.yaml", site=site, exit_code=2)
    assert (refused["code"], "shrinkage" in refused["where"]) == ("TW010", True)
    assert cli("train", clouds, "--target", "c0", "--learners", NAME, "--out", tmp_path, site=site, exit_code=2)["code"] == "TW014"
