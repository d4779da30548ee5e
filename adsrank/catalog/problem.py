"""What is wrong with a row of a catalog, in words its author can act on."""

import difflib
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from adsrank.errors import InputError

SHOWN = 100
PER_ROW = 8

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxlist = _SHORT.maxdict = 4
_SHORT.maxstring = _SHORT.maxother = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One refused value: `row` is the line in the file (null for a value that came without one)."""

    row: int | None
    kind: str
    id: int | None
    field: str
    value: str
    """As found, shortened."""
    fix: str

    def __str__(self) -> str:
        where = f"row {self.row}: " if self.row is not None else ""
        name = f"{self.kind} {self.id}" if self.id is not None else self.kind
        return f"{where}{name}: {self.field}: {self.value} is refused; {self.fix}"


class CatalogFileError(InputError):
    """A catalog that is not taken, with every problem found.

    `problems` keeps the first 100, `total` counts all. Nothing of the file was applied.
    """

    def __init__(self, source: str, problems: Sequence[Problem], total: int | None = None) -> None:
        self.source = source
        self.problems = tuple(problems[:SHOWN])
        self.total = len(problems) if total is None else total
        lines = [str(problem) for problem in self.problems]
        if self.total > len(lines):
            lines.append(f"... and {self.total - len(lines)} more")
        super().__init__(source, f"{self.total} problems", "correct these rows:\n" + "\n".join(lines))


def show(value: Any) -> str:
    """`value` in at most a line, whatever its size or depth."""
    return _SHORT.repr(value)[:200]


def path_of(location: Sequence[int | str]) -> str:
    """``("targeting", "countries", 0)`` as ``targeting.countries[0]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest(name: str, known: Sequence[str]) -> str:
    """A did-you-mean for `name`, or the list of what is known."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def problems_of(
    error: ValidationError, model: type[BaseModel], row: int | None, kind: str, id: int | None
) -> Iterator[Problem]:
    """Each refused value of one entity, with a did-you-mean for unknown fields."""
    for item in error.errors(include_url=False, include_context=False)[:PER_ROW]:
        location = item["loc"]
        if item["type"] == "extra_forbidden":
            fix = "unknown field; " + nearest(str(location[-1]), _fields_at(model, location[:-1]))
        elif item["type"] == "missing":
            yield Problem(row, kind, id, path_of(location), "nothing", "it is required")
            continue
        else:
            message = item["msg"].removeprefix("Value error, ")
            fix = message[:1].lower() + message[1:]
        yield Problem(row, kind, id, path_of(location), show(item["input"]), fix)


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            break
        parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        if inner:
            model = inner[0]
    return list(model.model_fields)
