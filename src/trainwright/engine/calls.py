"""One call, done the same way by every engine: find the function, call it, leave the result as a file or the error as words.

What a library says in an exception may hold the value of a cell. So an exception that is not ours keeps its type, its
place and its frames (file, line, function, source line), and loses its message, in the outcome as in the log.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module, util
from pathlib import Path
from typing import Any, TextIO

from trainwright.engine.interface import Json, Status
from trainwright.errors import TrainwrightError
from trainwright.record import files

LIMIT = 4000
"""Longest text, in characters, of one field of an error: it must fit through a pipe that nobody reads meanwhile."""


def check_call(call: str) -> None:
    """Refuse a call that a worker could not find: not "module:function", in `__main__`, or in a module that is not importable.

    Raises ValueError. Imports the packages that hold the module, not the module.
    """
    module, colon, function = call.partition(":")
    if not colon or not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"a call is written 'package.module:function', not {call!r}")
    if module == "__main__":
        raise ValueError("a worker cannot import the main script: put the function into a module of its own")
    try:
        found = util.find_spec(module) is not None
    except (ImportError, ValueError):  # a package on the way does not exist, or is no package
        found = False
    if not found:
        raise ValueError(f"there is no module {module!r} on this process's path")


def as_json(value: Json, *, of: str) -> str:
    """`value` as JSON text. Raises ValueError when JSON cannot carry it (NaN, infinities, arrays, keys that are not text)."""
    try:
        text = json.dumps(value, ensure_ascii=True, allow_nan=False)
        same = _keys_are_text(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{of} cannot be written as JSON ({type(error).__name__})") from None
    if not same:
        raise ValueError(f"{of} cannot be written as JSON (a key is not text)")
    return text


def _keys_are_text(value: Json) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _keys_are_text(inner) for key, inner in value.items())
    return not isinstance(value, list | tuple) or all(map(_keys_are_text, value))


def perform(call: str, arguments: Mapping[str, Json], result: Path, log: TextIO) -> tuple[Status, dict[str, str] | None]:
    """Call the function and put what it returns at `result`: whole, durable, and before this returns.

    Gives "done"; or "failed" and the error, or "out of memory" where an allocation was refused, the frames written to `log`.
    An interrupt from the keyboard goes through.
    """
    try:
        module, _, name = call.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        text = as_json(function(**arguments), of=f"what {call} returned")
        files.write(result, text.encode())
    except KeyboardInterrupt:
        raise
    except MemoryError as error:
        write_frames(error, log)
        return "out of memory", out_of_memory(result, "an allocation was refused")
    except BaseException as error:  # also SystemExit: a function may not end the process that it is called in
        write_frames(error, log)
        return "failed", error_dict(error, result)
    return "done", None


def log_of(result: Path) -> Path:
    """Where the output and the frames of a job go."""
    return result.with_name(result.name + ".log")


def error_dict(error: BaseException, result: Path) -> dict[str, str]:
    """Code, what, where, why and fix; an error of another library without its message."""
    if isinstance(error, TrainwrightError):
        return {key: text[:LIMIT] for key, text in error.as_dict().items()}
    return {
        "code": "TW099",
        "what": f"{type_name(error)} at {_place(error)}",
        "where": str(log_of(result)),
        "why": "something failed that we did not foresee; its message is left out, since it may hold values of cells",
        "fix": "the log has the way to the place, without values: please report it",
    }


def out_of_memory(result: Path, what: str) -> dict[str, str]:
    return {
        "code": "TW096",
        "what": f"the work needed more memory than it may use: {what}",
        "where": str(log_of(result)),
        "why": "memory is capped so that the machine and the other work stay alive",
        "fix": "raise --memory, or use fewer rows or columns",
    }


def out_of_time(result: Path, seconds: float) -> dict[str, str]:
    return {
        "code": "TW095",
        "what": f"the work was not done after {seconds:.3g} s",
        "where": str(log_of(result)),
        "why": "wall time is capped so that the whole run keeps its limit",
        "fix": "raise --time",
    }


def crashed(result: Path, what: str, why: str) -> dict[str, str]:
    return {
        "code": "TW097",
        "what": what,
        "where": str(log_of(result)),
        "why": why,
        "fix": "look at the log; leave this learner out with --learners if it happens again",
    }


def write_frames(error: BaseException, log: TextIO) -> None:
    """The traceback of `error` and of what caused it: frames and types; messages of our own errors only."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    for number, link in enumerate(reversed(chain)):
        if number:
            log.write("\nwhile that was handled, or because of it:\n\n")
        log.write("Traceback (most recent call last):\n")
        log.writelines(traceback.StackSummary.extract(traceback.walk_tb(link.__traceback__)).format())
        log.write(f"{link}\n" if isinstance(link, TrainwrightError) else f"{type_name(link)} (message left out)\n")
    log.flush()


def type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _place(error: BaseException) -> str:
    """The innermost frame: "sklearn/base.py:1336 (wrapper)". The path from the package's folder on, as in an import."""
    frame = None
    for frame in traceback.walk_tb(error.__traceback__):  # noqa: B007 - the last one is wanted
        pass
    if frame is None:
        return "an unknown place"
    code, line = frame[0].f_code, frame[1]
    file = Path(code.co_filename)
    for folder in sorted((Path(entry) for entry in sys.path if entry), key=lambda entry: -len(entry.parts)):
        if file.is_relative_to(folder):
            file = file.relative_to(folder)
            break
    return f"{file}:{line} ({code.co_name})"
