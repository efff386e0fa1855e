"""Functions that jobs call. A worker imports this module by the caller's path, as it would a plug-in learner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SECRET = "4711 Elm Street"


def add(a: int, b: int) -> int:
    return a + b


def describe(**arguments: object) -> dict[str, object]:
    return {"got": arguments, "pair": (1, 2), "none": None, "text": "ß€"}


def fail_by_library() -> None:
    raise KeyError(SECRET)


def fail_by_us() -> None:
    from trainwright.errors import LearnerError

    raise LearnerError("TW011", "too few rows", where="fold 2", why="no spread", fix="add rows")


def fail_by_chain() -> None:
    try:
        float(SECRET)
    except ValueError as error:
        raise RuntimeError(SECRET) from error


def leave() -> None:
    sys.exit(3)


def not_json() -> float:
    return float("nan")


def number_keys() -> dict[int, int]:
    return {1: 2}


def refused_allocation() -> None:
    raise MemoryError(SECRET)


def wait(pid_file: str | None = None) -> None:
    """Until killed. The pid says that it is running."""
    if pid_file:
        put(pid_file, os.getpid())
    while True:
        time.sleep(60)


def wait_with_child(pid_file: str, own_session: bool) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=own_session)
    put(pid_file, os.getpid(), child.pid)
    time.sleep(600)


def leave_child(pid_file: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    put(pid_file, child.pid)


def put(path: str, *numbers: int) -> None:
    beside = Path(path + ".part")
    beside.write_text(" ".join(map(str, numbers)))
    beside.rename(path)


def allocate(mebibytes: int, hold: bool = True, pid_file: str | None = None) -> int:
    held = bytearray(b"x") * (mebibytes << 20)
    if pid_file:
        put(pid_file, os.getpid())
    while hold:
        time.sleep(60)
    return len(held)


def allocate_in_child(mebibytes: int) -> None:
    subprocess.run([sys.executable, "-c", f"import time; x = bytearray(b'x') * ({mebibytes} << 20); time.sleep(600)"], check=True)


def map_file(path: str) -> int:
    import numpy as np

    return int(np.load(path, mmap_mode="r").sum())


def signal_self(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def exit_quietly(code: int) -> None:
    os._exit(code)


def kill_server() -> None:
    os.kill(os.getppid(), 9)
    time.sleep(60)


def state() -> dict[str, object]:
    import signal

    import threadpoolctl

    server = Path(f"/proc/{os.getppid()}/status").read_text()
    handles = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]  # noqa: PTH110, PTH115, PTH208
    return {
        "server_threads": int(server.split("Threads:")[1].split()[0]),
        "pools": sorted({pool["num_threads"] for pool in threadpoolctl.threadpool_info()}),
        "variable": os.environ["OMP_NUM_THREADS"],
        "interrupt_ignored": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "group": os.getpgid(0) == os.getpid(),
        "sockets": sum(handle.startswith("socket:") for handle in handles),
        "modules": [name for name in ("numpy", "sklearn", "lightgbm", "engine_threaded") if name in sys.modules],
        "oom_score": int(Path("/proc/self/oom_score_adj").read_text()),
        "python_path": os.environ.get("PYTHONPATH"),
    }


def speak() -> None:
    print("to standard output")  # noqa: T201
    print("to standard error", file=sys.stderr)  # noqa: T201
    subprocess.run(["echo", "from a child"], check=True)


def now() -> float:
    return time.monotonic()


def matrix_product() -> float:
    import numpy as np

    grid = np.arange(250_000, dtype=np.float64).reshape(500, 500) / 250_000
    return float((grid @ grid).sum())


def forest_and_boosting() -> list[float]:
    import lightgbm
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    grid = np.arange(4000, dtype=np.float64).reshape(1000, 4) % 97
    target = grid @ [1.0, 2.0, 3.0, 4.0]
    forest = RandomForestRegressor(n_estimators=5, random_state=0, n_jobs=2).fit(grid, target)
    boosted = lightgbm.train({"num_threads": 2, "verbose": -1, "deterministic": True, "force_row_wise": True}, lightgbm.Dataset(grid, target), 5)
    return [float(forest.predict(grid).sum()), float(boosted.predict(grid).sum())]
