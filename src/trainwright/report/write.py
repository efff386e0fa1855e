"""The report: one HTML page that holds everything, loads nothing, and runs no script.

Takes    a run folder whose JSON files are there (see records.py).
Gives    report.html beside them, under 1 MB, made anew each time from the files alone.
Why      the content security policy names the one style sheet by its digest and allows nothing else, so even a name in the data
         that slipped through the escaping could neither run nor load anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.errors import need
from trainwright.record import files
from trainwright.report import numbers, sentences
from trainwright.report.records import Records, read_records

if TYPE_CHECKING:
    from jinja2 import Template


GLANCE = "glance.html"  # what `Run` shows of itself in a notebook: no style sheet, no script, colours of the page around it


def write_report(run_folder: Path) -> Path:
    """Write report.html, and the few lines that a notebook shows.

    Raises RequestError TW006, CheckFailed TW080 or TW083 as `read_records`, MachineError when the disk refuses.
    """
    from trainwright.report import page as made

    path = run_folder / "report.html"
    values = made.values(read_records(run_folder))
    files.write_text(run_folder / GLANCE, _template("glance.html").render(values))
    files.write_text(path, _page(values))
    return path


def render(records: Records) -> str:
    """The page as text. Raises jinja2.UndefinedError if the template names what `page.values` does not give: our bug."""
    from trainwright.report import page as made

    return _page(made.values(records))


def _page(values: dict[str, Any]) -> str:
    style = _style()
    digest = "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template("report.html").render(values, style=_marked(style), style_digest=digest)


@functools.cache
def _style() -> str:
    return resources.files("trainwright.report").joinpath("templates/report.css").read_text(encoding="utf-8").strip()


def _marked(style: str) -> str:
    from markupsafe import Markup

    return Markup(style)


def _shown(value: object) -> object:
    """Every value on its way into the page: hidden characters are written out, also in words that other parts made."""
    return numbers.written_out(value, keep="\n") if type(value) is str else value


@functools.cache
def _template(name: str) -> Template:
    """A template, escaping every value and refusing unknown names."""
    jinja2 = need("jinja2", extra="tables", to="write the report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, finalize=_shown, trim_blocks=True)
    for filter_ in ("visible", "count", "score", "interval", "finite"):
        environment.filters[filter_] = getattr(numbers, filter_)
    environment.filters["sentence"] = sentences.sentence
    source = resources.files("trainwright.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")
    template: Template = environment.from_string(source)
    return template
