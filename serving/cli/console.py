"""What commands print: tables or JSON on standard output, progress and errors on standard error."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

CHECK_FAILED, INPUT_ERROR = 1, 2

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print data instead of tables.")]


def fail(message: str, code: int) -> NoReturn:
    """One line on standard error, then the exit code."""
    err.print(Text.assemble(("error:", "red"), " ", shown(message)), soft_wrap=True)
    sys.exit(code)


def emit_json(data: Any) -> None:
    """`data` as indented JSON; numpy numbers and dataclasses are taken as they are."""
    text = orjson.dumps(
        data, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    )
    sys.stdout.write(text.decode() + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; every column but the first is set to the right."""
    grid = Table(title=Text(shown(title)), title_justify="left", title_style="bold", header_style="dim")
    for number, column in enumerate(columns):
        grid.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        grid.add_row(*(Text(shown(cell)) for cell in row))
    out.print(grid)


def shown(cell: object) -> str:
    """As text: brackets are no markup, and what would steer the terminal is written out."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(cell))


def units(micros: float) -> str:
    """Micros as currency: 1_500_000 -> '1.50'; small amounts keep four digits."""
    value = micros / 1e6
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:,.4f}"


@dataclasses.dataclass(slots=True)
class Bar:
    """A step of long work: call it with how much is done."""

    progress: Progress | None
    task: Any = None
    done: int = 0

    def decisions(self, more: int) -> None:
        """So many more decisions are done, of a log whose length nobody has counted."""
        self.done += more
        self(self.done, None, "decisions")

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        if self.progress is not None:
            self.progress.update(self.task, completed=done, total=total, note=note)


@contextmanager
def bar(label: str, total: float | None = None) -> Iterator[Bar]:
    """A progress bar on standard error where that is a terminal, nothing elsewhere."""
    if not err.is_terminal:
        yield Bar(None)
        return
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=False) as progress:
        task = progress.add_task(label, total=total, note="")
        yield Bar(progress, task)
        shown = progress.tasks[0]
        if shown.total is not None:
            progress.update(task, completed=shown.total)
