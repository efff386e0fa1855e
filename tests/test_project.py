"""What the project promises of itself: the public list, light imports, documents that are true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import trainwright

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "pandas", "sklearn", "polars", "lightgbm", "onnx", "scipy", "pydantic", "matplotlib", "numpy", "onnxruntime", "rich"}


def test_everything_public_can_be_had() -> None:
    for name in trainwright.__all__:
        assert getattr(trainwright, name) is not None
    assert dir(trainwright) == sorted(trainwright.__all__)
    with pytest.raises(AttributeError, match="trian"):
        trainwright.trian  # noqa: B018 - the access itself is the test


def test_no_module_takes_the_place_of_a_public_name() -> None:
    """Importing `trainwright.x` sets the attribute `x` of the package: a function of that name would be gone from then on."""
    modules = {path.stem for path in (ROOT / "src" / "trainwright").iterdir()}
    assert modules & set(trainwright.__all__) == set()


@pytest.mark.parametrize("code", ["import trainwright", "from trainwright.cli import main; main(['--help'])"])
def test_importing_and_help_touch_nothing_heavy(code: str) -> None:
    script = (
        f"import sys, threading; {code}; print(); print(*sorted({{m.partition('.')[0] for m in sys.modules}}), threading.active_count(), sep='\\n')"
    )
    lines = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert HEAVY & set(lines) == set()
    assert lines[-1] == "1"


def test_the_architecture_page_names_the_folders_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"^\| `(\w+)/` \|", page, flags=re.MULTILINE))
    folders = {path.name for path in (ROOT / "src" / "trainwright").iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert named == folders


def test_every_code_that_is_raised_is_explained() -> None:
    raised = set()
    for path in (ROOT / "src").rglob("*.py"):
        raised |= set(re.findall(r'"(TW[01]\d\d)"', path.read_text()))
    explained = set(re.findall(r"^#+ .*?(TW\d{3})", (ROOT / "docs" / "codes.md").read_text(), flags=re.MULTILINE))
    explained |= set(re.findall(r"^\| `?(TW\d{3})`? \|", (ROOT / "docs" / "codes.md").read_text(), flags=re.MULTILINE))
    assert raised - explained == set()


@pytest.mark.slow
def test_the_readme_python_block_runs(tables: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (tmp_path / "penguins.csv").write_bytes((tables / "penguins.csv").read_bytes())
    script = tmp_path / "ten_lines.py"
    script.write_text(block)  # a script without a main guard, as users write them
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("multiclass tabular/")
    assert lines[1].endswith("report.html")
    assert "Adelie" in lines[2]
    assert "Adelie" in lines[3]
