"""Read a catalog file: JSON Lines, one entity a line, or a YAML list.

Each row says its ``kind``: account, campaign, ad_group or ad. All problems are collected and
reported together, by row; nothing is taken from a file that has one.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import ValidationError

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.entities import KINDS, Entity
from adsrank.catalog.problem import CatalogFileError, Problem, nearest, problems_of, show
from adsrank.catalog.relations import Known, check_relations
from adsrank.errors import InputError

MAX_FILE_BYTES = 512_000_000
MAX_LINE_BYTES = 262_144
MAX_YAML_BYTES = 8_000_000
"""YAML is read a hundred times slower than JSON Lines: large catalogs come as the latter."""


def read_catalog(path: str | Path, known: Known | None = None) -> Catalog:
    """Entities of the file at `path` (``.yaml``/``.yml``: a list; else JSON Lines).

    `known` is what is stored already (`Store.known()`): parents may stand there.

    Raises:
        CatalogFileError: with every refused value: row, field, value and fix.
        InputError: a file that cannot be read at all.
    """
    path = Path(path)
    limit = MAX_YAML_BYTES if path.suffix in {".yaml", ".yml"} else MAX_FILE_BYTES
    try:
        size = path.stat().st_size
        if size > limit:
            raise InputError(str(path), f"{size} bytes", f"at most {limit} bytes")
        rows = _yaml_rows(path) if path.suffix in {".yaml", ".yml"} else _json_rows(path)
        return _collect(rows, str(path), known or Known())
    except OSError as error:
        raise InputError(str(path), error.strerror, "give a readable catalog file") from None


def parse_entity(data: Any, row: int | None = None) -> Entity | list[Problem]:
    """The entity that `data` (a mapping with ``kind``) describes, or what is wrong with it."""
    if not isinstance(data, dict):
        return [Problem(row, "row", None, "row", show(data), "give a mapping with 'kind'")]
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return [Problem(row, "row", None, "kind", show(kind), nearest(str(kind)[:32], list(KINDS)))]
    model = KINDS[kind]
    try:
        return model.model_validate({name: value for name, value in data.items() if name != "kind"})
    except ValidationError as error:
        id = data.get("id")
        known_id = id if isinstance(id, int) and not isinstance(id, bool) else None
        return list(problems_of(error, model, row, kind, known_id))


def _collect(rows: Iterator[tuple[int, Any]], source: str, known: Known) -> Catalog:
    entities: list[tuple[int | None, Entity]] = []
    problems: list[Problem] = []
    refused: dict[str, set[int]] = {kind: set() for kind in KINDS}
    for row, data in rows:
        parsed = data if isinstance(data, Problem) else parse_entity(data, row)
        if isinstance(parsed, Entity):
            entities.append((row, parsed))
            continue
        found = [parsed] if isinstance(parsed, Problem) else parsed
        problems += found
        if found[0].id is not None:
            refused[found[0].kind].add(found[0].id)
    problems += check_relations(entities, known, refused)
    if problems:
        problems.sort(key=lambda problem: problem.row or 0)
        raise CatalogFileError(source, problems)
    return Catalog.of(entity for _, entity in entities)


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """(line number, parsed line or what is wrong with it)."""
    with path.open("rb") as file:
        row = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            row += 1
            if len(line) > MAX_LINE_BYTES:
                fix = f"at most {MAX_LINE_BYTES} bytes a line; the rest of the file was not read"
                yield row, Problem(row, "row", None, "row", "a longer line", fix)
                return
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if line:
                yield row, _json_row(line, row)


def _json_row(line: bytes, row: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        message = str(error)
    try:
        # The lenient parser reads NaN and Infinity, so that the field that holds one can be named.
        return json.loads(line)
    except (ValueError, RecursionError):
        return Problem(
            row, "row", None, "row", show(line.decode(errors="replace")), f"not JSON: {message[:120]}"
        )


class _NoAliases(yaml.SafeLoader):
    """A few anchors can stand for gigabytes: a catalog has no use for them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases are not taken; write the value")
        return super().compose_node(parent, index)


def _yaml_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """(line number where the item starts, item)."""
    try:
        loader = _NoAliases(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if not isinstance(node, yaml.SequenceNode):
            raise InputError(str(path), show(node and node.tag), "give a list of entities, each with 'kind'")
        for item in node.value:
            loader.deep_construct = True
            yield item.start_mark.line + 1, loader.construct_object(item, deep=True)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), " ".join(str(error).split())[:200], "give valid YAML") from None
