"""Takes over a changed catalog, or a changed bundle, while requests go on."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog

from adsrank.catalog.freezer import NEVER, freeze_catalog
from adsrank.catalog.snapshot import Snapshot
from adsrank.catalog.store import Store, StoreError
from adsrank.engine import Engine
from adsrank.errors import BundleError, SpaceMismatch
from adsrank.models.admission import Admission
from adsrank.models.bundle import Bundle
from adsrank.models.document import parse, read_plain
from adsrank.models.folder import MANIFEST, MAX_MANIFEST
from adsrank.models.manifest import LIMITS
from adsrank.models.pointer import resolve
from adsrank.release import Release
from adsrank.retrieval.retriever import Retriever
from auction.log.writer import LogWriter
from auction.pacing import Pacing, PacingSettings
from auction.policy import AuctionPolicy
from serving.campaign_budget import CampaignBudget
from serving.metrics import Metrics

log = structlog.get_logger()


def load_release(
    store: Store, bundle: Bundle, policy: AuctionPolicy, before: Retriever | None = None
) -> Release:
    """The catalog as it stands beside `bundle`; an index `before` is kept where it still fits.

    Raises:
        SpaceMismatch: the catalog has vectors, and none of them of the bundle's space.
    """
    catalog = store.load()
    spaces = {ad.embedding_space for ad in catalog.ads if ad.embedding is not None}
    if spaces and bundle.embedding_space not in spaces:
        found = ", ".join(sorted(str(space) for space in spaces))
        raise SpaceMismatch(
            f"bundle {bundle.id} speaks {bundle.embedding_space!r}, the catalog's vectors {found}: "
            "no similarity could be measured; train on the catalog's space or serve the bundle's"
        )
    snapshot = freeze_catalog(catalog, bundle.embedding_space)
    retriever = Retriever.of(snapshot) if before is None else before.renewed(snapshot)
    return Release(policy, bundle, snapshot, retriever)


LIKELY = np.array([1.0, 0.25, 0.05])
"""By the event bid for: a chance, given a look, that few ads exceed. A lease has room for such an ad."""


def campaign_budgets(snapshot: Snapshot) -> list[CampaignBudget]:
    """What the ledger and pacing must know of every active campaign."""
    campaigns = snapshot.campaigns
    largest = np.zeros(len(campaigns), np.int64)
    costs = np.ceil(snapshot.bid_micros * LIKELY[snapshot.goal]).astype(np.int64)
    np.maximum.at(largest, snapshot.campaign_row, costs)
    budgets = []
    for row in np.flatnonzero(campaigns.active).tolist():
        ends_at = int(campaigns.ends_at[row])
        mode = Pacing.ACCELERATED if campaigns.accelerated[row] else Pacing.STANDARD
        budgets.append(
            CampaignBudget(
                campaign_id=int(campaigns.campaign_id[row]),
                zone=str(campaigns.time_zone[row]),
                daily_micros=int(campaigns.daily_limit_micros[row]) or None,
                lifetime_micros=int(campaigns.lifetime_limit_micros[row]) or None,
                ends_at=float(ends_at) if ends_at < NEVER else None,
                pacing=PacingSettings(mode=mode),
                largest_bid_micros=int(largest[row]),
            )
        )
    return budgets


class Refresher:
    """Looks at the catalog's version and the bundle's files, and swaps the engine's release.

    What cannot be loaded, or does not fit, is logged and counted, and the release before goes on: a
    catalog that a hand has broken takes no ad off the air.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        bundle_folder: Path,
        writer: LogWriter,
        metrics: Metrics,
        period_s: float,
        admission: Admission,
    ) -> None:
        self._admission = admission
        self._engine = engine
        self._store = store
        self._bundle_folder = bundle_folder
        self._writer = writer
        self._metrics = metrics
        self._period_s = period_s
        self._catalog = engine.release.snapshot.sequence
        self._files = self._stamp() if self._serves_what_is_there() else None
        self._budgets: tuple[Snapshot, Sequence[CampaignBudget]] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._store.close()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def budgets(self) -> Sequence[CampaignBudget]:
        """Of the catalog that is served now; the same object until it changes."""
        snapshot = self._engine.release.snapshot
        if self._budgets is None or self._budgets[0] is not snapshot:
            self._budgets = (snapshot, campaign_budgets(snapshot))
        return self._budgets[1]

    def refresh(self) -> bool:
        """Take over what has changed; returns whether anything has."""
        part = "catalog"
        before = self._files, self._catalog
        try:
            files = self._stamp()
            version = self._store.version()
            if files == self._files and version == self._catalog:
                return False
            now = self._engine.release
            bundle = now.bundle
            if files != self._files:
                part = "bundle"
                # Noted first: a bundle that is refused is not read again every second.
                self._files = files
                bundle = Bundle.load(self._bundle_folder, self._admission)
            self._catalog = version
            release = load_release(self._store, bundle, now.policy, now.retriever)
            self._writer.keep(release.resolved_policy)
            self._engine.swap(release)
        except Exception as error:
            if isinstance(error, StoreError):  # nothing is wrong with what changed: ask again
                self._files, self._catalog = before
            log.error("not_refreshed", part=part, error=str(error))
            self._metrics.swaps.labels(part, "failed").inc()
            return False
        self._metrics.swaps.labels(part, "done").inc()
        log.info("refreshed", part=part, snapshot=release.snapshot.version, bundle=release.bundle.id)
        return True

    def _stamp(self) -> list[tuple[int, int, int]] | None:
        """Of every file: a copy in place may bring the manifest first, and is refused until all is there."""
        try:
            home = resolve(self._bundle_folder)
            states = [(home / name).stat() for name in (MANIFEST, *LIMITS)]
        except (OSError, BundleError):
            return None
        # A copy may keep the time it was modified and get the inode of the one before; not this one too.
        return [(state.st_mtime_ns, state.st_ctime_ns, state.st_ino) for state in states]

    def _serves_what_is_there(self) -> bool:
        """Not where another was published between the start's load and now: the first look takes it."""
        try:
            path = resolve(self._bundle_folder) / MANIFEST
            found = parse(read_plain(path, MAX_MANIFEST), str(path))
        except BundleError:
            return False
        return isinstance(found, dict) and found.get("id") == self._engine.release.bundle.id

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self.refresh()
