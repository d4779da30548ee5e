"""Which ads accept a request: one bitmap a targeting value, made when it is first asked for."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from adsrank.catalog.columns import Lists
from adsrank.catalog.snapshot import Snapshot
from adsrank.request import AdRequest
from adsrank.retrieval.bitmap import Bits, Bool, Int64, pack, union, unpack

Value = str | int

CACHE_BYTES = 128_000_000
"""Of each cache; it holds 64 to 4,096 bitmaps."""

MAX_NODES = 1024
"""Interest nodes of one request, its interests' ancestors among them."""


class TargetingIndex:
    """Bitmaps of a snapshot's ads by country, language, device, surface and interest.

    An ad group that does not name a dimension accepts every value of it. A request without
    interests (or without personalization) meets only ad groups that do not target interests.

    Args:
        ancestors: interest node -> the nodes above it; targeting a node reaches all below it.
    """

    def __init__(self, snapshot: Snapshot, ancestors: Mapping[int, Sequence[int]] | None = None) -> None:
        self.version = snapshot.version
        self.size = len(snapshot)
        self._group_row = snapshot.group_row
        self._ancestors = dict(ancestors or {})
        self._accepting = {name: _invert(lists) for name, lists in snapshot.targeting.items()}
        self._open = {name: np.diff(lists.offsets) == 0 for name, lists in snapshot.targeting.items()}
        entries = int(np.clip(CACHE_BYTES // max(1, self.size // 8), 64, 4096))
        self.accepting = lru_cache(entries)(self._bits)
        self._context = lru_cache(entries)(self._context_bits)
        self._interests = lru_cache(entries)(self._interest_bits)

    def allowed(self, request: AdRequest) -> Bits:
        """Ads whose targeting accepts `request`."""
        country, languages, device, surface = _context_of(request)
        return self._context(country, languages, device, surface) & self._interests(self.nodes(request))

    def refused(self, request: AdRequest, rows: Int64) -> Bool:
        """Whether each of `rows` is kept out by its targeting (`Reason.TARGETING`)."""
        return ~unpack(self.allowed(request), self.size)[rows]

    def refusing(self, request: AdRequest, row: int) -> list[str]:
        """The dimensions that keep the ad of `row` out: what an advertiser is told."""
        country, languages, device, surface = _context_of(request)
        bits = {
            "country": self.accepting("country", country),
            "language": union(self.accepting("language", tag) for tag in languages),
            "device": self.accepting("device", device),
            "surface": self.accepting("surface", surface),
            "interest": self._interests(self.nodes(request)),
        }
        return [name for name, accepted in bits.items() if not unpack(accepted, self.size)[row]]

    def nodes(self, request: AdRequest) -> tuple[int, ...]:
        """The user's interests and every node above them; none without personalization."""
        if not request.personalized:
            return ()
        nodes = {
            node
            for interest in request.user_interests
            for node in (interest, *self._ancestors.get(interest, ()))
        }
        return tuple(sorted(nodes)[:MAX_NODES])

    def _bits(self, dimension: str, value: Value | None) -> Bits:
        """Ads that accept `value`; null: ads that do not name the dimension."""
        groups = self._open[dimension].copy()
        groups[self._accepting[dimension].get(value, [])] = True
        return pack(groups[self._group_row])

    def _context_bits(self, country: str, languages: tuple[str, ...], device: str, surface: str) -> Bits:
        bits = self.accepting("country", country) & self.accepting("device", device)
        bits &= self.accepting("surface", surface)
        bits &= union(self.accepting("language", tag) for tag in languages)
        return bits

    def _interest_bits(self, nodes: tuple[int, ...]) -> Bits:
        known = [node for node in nodes if node in self._accepting["interest"]]
        return union(self.accepting("interest", node) for node in [*known, None])


def _context_of(request: AdRequest) -> tuple[str, tuple[str, ...], str, str]:
    tag = request.language.lower().replace("_", "-")
    main = tag.split("-", 1)[0]
    languages = (main,) if tag == main else (main, tag)
    return request.country.upper(), languages, request.device.lower(), request.surface.value


def _invert(lists: Lists) -> dict[Value | None, npt.NDArray[np.int64]]:
    """Value -> rows of the ad groups that name it."""
    values, place = np.unique(lists.values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=len(values))
    ends = np.cumsum(counts)
    owners = lists.owners()[order]
    bounds = zip(values.tolist(), ends - counts, ends, strict=True)
    return {value: owners[start:end] for value, start, end in bounds}
