"""All entities of one moment, by kind."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adsrank.catalog.entities import Account, Ad, AdGroup, Campaign, Entity


@dataclass(frozen=True, slots=True)
class Catalog:
    """Entities ordered by id within each kind."""

    accounts: tuple[Account, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    ad_groups: tuple[AdGroup, ...] = ()
    ads: tuple[Ad, ...] = ()
    sequence: int = 0
    """Version of the store it was loaded from; 0 where it was not."""

    @classmethod
    def of(cls, entities: Iterable[Entity], sequence: int = 0) -> "Catalog":
        """Sort `entities` into kinds, by id."""
        kinds: dict[type[Entity], list[Entity]] = {Account: [], Campaign: [], AdGroup: [], Ad: []}
        for entity in entities:
            kinds[type(entity)].append(entity)
        for members in kinds.values():
            members.sort(key=lambda entity: entity.id)
        accounts, campaigns, ad_groups, ads = map(tuple, kinds.values())
        return cls(accounts, campaigns, ad_groups, ads, sequence)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Entity]:
        """Top down: a parent comes before its children."""
        yield from self.accounts
        yield from self.campaigns
        yield from self.ad_groups
        yield from self.ads

    def __len__(self) -> int:
        return len(self.accounts) + len(self.campaigns) + len(self.ad_groups) + len(self.ads)
