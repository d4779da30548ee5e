"""What must hold between entities: each id once, a parent for each, one currency, one dimension a space."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from adsrank.catalog.entities import KINDS, PARENTS, Account, Ad, Entity
from adsrank.catalog.problem import Problem

KIND_OF = {model: kind for kind, model in KINDS.items()}


@dataclass(slots=True)
class Known:
    """What is stored already, as far as new entities are checked against it."""

    parents: dict[str, dict[int, int]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    """Kind -> id -> id of its parent (0 for an account)."""
    currency: str | None = None
    dimensions: dict[str, int] = field(default_factory=dict)
    """Embedding space -> length of its vectors."""

    @classmethod
    def of(cls, entities: Iterable[Entity]) -> "Known":
        """What later entities would be checked against once `entities` are stored."""
        known = cls()
        for entity in entities:
            known.add(entity)
        return known

    def add(self, entity: Entity) -> None:
        """Take `entity` as stored."""
        self.parents[KIND_OF[type(entity)]][entity.id] = parent_of(entity)
        if isinstance(entity, Account):
            self.currency = self.currency or entity.currency
        if isinstance(entity, Ad) and entity.embedding is not None and entity.embedding_space:
            self.dimensions.setdefault(entity.embedding_space, len(entity.embedding))


def parent_of(entity: Entity) -> int:
    """Id of the entity above; 0 for an account."""
    link = PARENTS.get(KIND_OF[type(entity)])
    return int(getattr(entity, link[1])) if link else 0


def check_relations(
    rows: Iterable[tuple[int | None, Entity]],
    known: Known,
    refused: dict[str, set[int]] | None = None,
) -> list[Problem]:
    """Problems between `rows` (row number, entity) and with what is `known`.

    `refused` are ids by kind whose own row was not taken: their children are not blamed for it.
    A row may come before its parent's row.
    """
    problems: list[Problem] = []
    first: dict[tuple[str, int], int | None] = {}
    currency, dimensions = known.currency, dict(known.dimensions)
    rows = list(rows)
    for row, entity in rows:
        kind = KIND_OF[type(entity)]

        def refuse(
            path: str, value: object, fix: str, row: int | None = row, entity: Entity = entity
        ) -> None:
            problems.append(Problem(row, KIND_OF[type(entity)], entity.id, path, repr(value), fix))

        if (kind, entity.id) in first:
            where = first[kind, entity.id]
            refuse("id", entity.id, f"stands twice, first in row {where}; give each {kind} once")
            continue
        first[kind, entity.id] = row
        if isinstance(entity, Account):
            currency = currency or entity.currency
            if entity.currency != currency:
                refuse(
                    "currency", entity.currency, f"one currency a catalog, here {currency}: bids are compared"
                )
        if isinstance(entity, Ad) and entity.embedding is not None and entity.embedding_space:
            length = dimensions.setdefault(entity.embedding_space, len(entity.embedding))
            if len(entity.embedding) != length:
                fix = f"vectors of space {entity.embedding_space!r} have {length} numbers"
                refuse("embedding", f"{len(entity.embedding)} numbers", fix)
    for row, entity in rows:
        kind = KIND_OF[type(entity)]
        if kind not in PARENTS:
            continue
        above, name = PARENTS[kind]
        parent = parent_of(entity)
        before = known.parents[kind].get(entity.id, parent)
        if before != parent:
            problems.append(
                Problem(
                    row, kind, entity.id, name, str(parent), f"cannot move; it belongs to {above} {before}"
                )
            )
        elif not (
            (above, parent) in first
            or parent in known.parents[above]
            or (refused and parent in refused.get(above, ()))
        ):
            problems.append(
                Problem(row, kind, entity.id, name, str(parent), f"no such {above}; give one that exists")
            )
    return problems
