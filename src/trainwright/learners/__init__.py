"""The catalogue: which learners there are. Listing imports none of them; `learner_class` imports the one that is asked for.

Our own are the files of the family folders here: `tabular/ridge.py` *is* the name `tabular/ridge`. Other packages add theirs through the
entry-point group `trainwright.learners`: the entry's name is the learner's, its value the module (whose LEARNER counts) or the class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from trainwright.errors import RequestError, missing, nearest
from trainwright.learners.interface import Learner

GROUP = "trainwright.learners"
FOLDER = Path(__file__).parent


def _own() -> dict[str, str]:
    """Our names and the modules that they are."""
    files = sorted(file for file in FOLDER.glob("*/*.py") if not file.name.startswith("_"))
    return {f"{file.parent.name}/{file.stem}": f"{__name__}.{file.parent.name}.{file.stem}" for file in files}


def _added() -> dict[str, metadata.EntryPoint]:
    """What other packages add. One of our names cannot be taken over."""
    own = _own()
    return {entry.name: entry for entry in sorted(metadata.entry_points(group=GROUP), key=lambda e: (e.name, e.value)) if entry.name not in own}


def added_packages(used: Iterable[str]) -> list[str]:
    """The packages, other than ours, from which these learners come."""
    added = _added()
    return sorted({entry.dist.name for name in used if (entry := added.get(name)) is not None and entry.dist is not None})


def extra_packages(used: Iterable[str]) -> list[str]:
    """The packages of extras on which these learners rest, by the names under which they are installed."""
    modules = {module for name in used if (module := learner_class(name).card.package)}
    installed = [(package.name, package.read_text("RECORD") or "") for package in metadata.distributions()] if modules else []
    bringing = {module: [name for name, files in installed if f"\n{module}/" in f"\n{files}"] for module in modules}
    return sorted({package for module in modules for package in bringing[module] or [module]})


def package_of(name: str) -> str | None:
    """The package that adds this learner, with its version: "mine-learners 1.0.0". None for ours."""
    entry = None if name in _own() else _added().get(name)
    return None if entry is None or entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def names() -> tuple[str, ...]:
    """All names, sorted: our own and those of other packages."""
    return tuple(sorted({*_own(), *_added()}))


def learner_class(name: str) -> type[Learner]:
    """The learner of this name.

    Raises RequestError TW012 when there is none, or when another package's entry cannot be loaded or is no learner.
    """
    own = _own()
    if name in own:
        return cast("type[Learner]", import_module(own[name]).LEARNER)
    added = _added()
    if name not in added:
        ends = {known.rpartition("/")[2]: known for known in names()}
        near = nearest(name, names()) or ends.get(nearest(name.rpartition("/")[2], ends) or "")
        raise RequestError(
            "TW012",
            f"there is no learner {name!r}",
            where=f"learners: {name}",
            why="only these are installed: " + ", ".join(names()),
            fix=f"did you mean {near!r}?" if near else "take one of these, or install the package that adds it",
        )
    try:
        found = added[name].load()
        kind = found.LEARNER if isinstance(found, ModuleType) else found
    except Exception as error:  # whatever a stranger's module raises
        raise _unusable(name, added[name], f"loading it fails: {type(error).__name__}") from error
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind) or not all(hasattr(kind, part) for part in ("card", "space", "fit")):
        raise _unusable(name, added[name], "it is no dataclass with card, space and fit")
    return cast("type[Learner]", kind)


def _unusable(name: str, entry: metadata.EntryPoint, what: str) -> RequestError:
    package = entry.dist.name if entry.dist else "?"
    return RequestError(
        "TW012",
        f"the learner {name!r} cannot be used",
        where=f"package {package}, entry point {entry.value}",
        why=what,
        fix="see the documentation on adding a learner, or leave this one out",
    )


def require(name: str) -> None:
    """Raises MissingExtra (TW060) when the package on which this learner rests is not installed; nothing is imported."""
    card = learner_class(name).card
    if card.package and find_spec(card.package) is None:
        raise missing(card.package, extra=card.extra, to=f"train {name}")


def make(name: str, settings: Mapping[str, Any]) -> Learner:
    """The learner `name` with these settings; those not named keep their defaults.

    Raises RequestError TW012 for an unknown learner, TW010 for an unknown setting or an impossible value.
    """
    kind = learner_class(name)
    known = [field.name for field in dataclasses.fields(cast(Any, kind)) if field.init]
    for key in settings:
        if key not in known:
            near = nearest(key, known)
            raise RequestError(
                "TW010",
                f"{name} has no setting {key!r}",
                where=f"learners: {name}: settings",
                why="a setting that nobody reads would be ignored in silence",
                fix=f"did you mean {near!r}?" if near else "it has: " + (", ".join(known) or "none"),
            )
    return kind(**settings)
