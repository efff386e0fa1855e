"""A server loads and predicts with numpy and onnxruntime alone, and a load reaches nothing outside the bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import small_bundles as small

BLOCKED = "polars pydantic sklearn onnx scipy pandas pyarrow lightgbm yaml rich typer jinja2 google threadpoolctl".split()  # noqa: SIM905

OURS = ("trainwright.learners", "trainwright.select", "trainwright.data", "trainwright.bundle", "trainwright.features")
BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r} or name.startswith({OURS!r}):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
"""

PREDICT = """
import json, sys
import trainwright.runtime
bundle = trainwright.runtime.load(sys.argv[1])
rows = json.loads(sys.argv[2])
print(json.dumps([bundle.predict(rows).tolist(), bundle.outputs(rows).tolist(), sorted({m.partition(".")[0] for m in sys.modules})]))
"""

WATCH = """
import json, sys
from pathlib import Path
import trainwright.runtime
from trainwright.runtime.loader import load
load(sys.argv[2])  # whatever is imported late is imported now
seen = []
def hook(event, arguments):
    if event in ("open", "import", "exec", "compile", "marshal.loads", "subprocess.Popen", "os.system", "socket.connect", "pickle.find_class",
                 "ctypes.dlopen", "os.listdir", "os.scandir", "mmap.__new__", "os.remove", "os.rename", "os.mkdir"):
        seen.append([event, str(arguments[0])])
sys.addaudithook(hook)
load(sys.argv[1])
seen_now = list(seen)
print(json.dumps(seen_now))
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_numpy_and_onnxruntime_are_enough(tmp_path: Path):
    for model in ("linear", "trees"):
        bundle = small.make(tmp_path / model, "multiclass", model)
        rows = small.rows(5)
        answers, outputs, modules = json.loads(run(BLOCK + PREDICT, str(tmp_path / model), json.dumps(rows)))
        assert answers == bundle.predict(rows).tolist()
        assert outputs == bundle.outputs(rows).tolist()
        assert not set(modules) & set(BLOCKED)
        assert ("onnxruntime" in modules) == (model == "trees")  # a linear bundle does not even open onnxruntime


def test_importing_the_runtime_imports_no_numpy():
    modules = json.loads(run("import json, sys, trainwright.runtime; print(json.dumps(sorted(sys.modules)))"))
    assert "numpy" not in modules
    assert "onnxruntime" not in modules


def test_a_load_opens_the_bundle_and_nothing_else(tmp_path: Path):
    small.make(tmp_path / "watched", "binary", "trees")
    small.make(tmp_path / "before", "binary", "trees")
    events = json.loads(run(WATCH, str(tmp_path / "watched"), str(tmp_path / "before")))
    names = {path.name for path in (tmp_path / "watched").iterdir()}
    opened = [name for event, name in events if event == "open" and not name.isdigit()]  # a number is a file that is open already
    assert set(opened) <= names | {str(tmp_path / "watched")}
    assert names <= set(opened)
    assert {event for event, _ in events} <= {"open", "os.scandir"}
