"""Builds a replica's parts from its settings."""

import os
import secrets
import socket
import time

import pyarrow as pa

from adsrank.catalog.store import Store
from adsrank.engine import Engine
from adsrank.features.examples import AD, CONTEXT, MATCH, PLACE
from adsrank.models.bundle import Bundle
from adsrank.models.heads import HEADS, probable
from auction.budget import LeasedBudgets
from auction.frequency import FrequencyCounter
from auction.log.events import EventWriter
from auction.log.writer import LogWriter
from auction.policy import AuctionPolicy
from serving.clock import TrafficClock
from serving.event_log import EventLog
from serving.events import EventIngest
from serving.key import token_keys
from serving.ledger import Ledger
from serving.metrics import Metrics
from serving.refresh import Refresher, load_release
from serving.renewer import LeaseRenewer
from serving.runtime import Runtime
from serving.settings import ServingSettings
from serving.token import TokenSigner


def open_runtime(settings: ServingSettings) -> Runtime:
    """A replica's runtime, without Ray; `start` it to get money for ads, `close` it at the end.

    Raises:
        InputError: a setting, policy or key that cannot be used.
        BundleError, SpaceMismatch: the bundle must not serve, or not this catalog.
        StoreError, LedgerError: the database does not answer.
    """
    settings = settings.absolute()
    settings.data.mkdir(parents=True, exist_ok=True)
    signer = TokenSigner(token_keys(settings.data, settings.token_key_variable))
    policy_file = settings.policy_file
    policy = AuctionPolicy.load(policy_file) if policy_file else AuctionPolicy()
    bundle = Bundle.load(settings.bundle_folder)
    store = Store(settings.database_url, settings.database_schema)
    ledger = Ledger(settings.database_url, settings.database_schema)
    release = load_release(store, bundle, policy)
    metrics = Metrics()
    budgets = LeasedBudgets()
    frequency = FrequencyCounter(settings.frequency_times)
    engine = Engine(release, budgets, frequency, settings.engine)
    writer = _writer(settings)
    writer.keep(release.resolved_policy)
    event_log = EventLog(EventWriter(settings.log_folder, replica_name()), settings.flush_seconds)
    refresher = Refresher(engine, store, settings.bundle_folder, writer, metrics, settings.refresh_seconds)
    traffic = TrafficClock(time.time()) if settings.trust_request_time else None
    clock = traffic if traffic is not None else time.time
    return Runtime(
        settings=settings,
        engine=engine,
        budgets=budgets,
        ledger=ledger,
        renewer=LeaseRenewer(ledger, budgets, refresher.budgets, replica_name(), settings.lease, clock),
        events=EventIngest(ledger, signer, frequency, clock, event_log.append),
        event_log=event_log,
        signer=signer,
        log=writer,
        refresher=refresher,
        metrics=metrics,
        traffic=traffic,
    )


def replica_name() -> str:
    """Of this process and no other, past or present: its leases and its part files are its own."""
    host = "".join(letter for letter in socket.gethostname() if letter.isalnum() or letter == "-")[:24]
    return f"{host or 'host'}-{os.getpid()}-{secrets.token_hex(4)}"


def _writer(settings: ServingSettings) -> LogWriter:
    return LogWriter(
        settings.log_folder,
        replica_name(),
        heads=probable(HEADS),  # of any bundle that may be published while this replica lives
        context=list[pa.Field](CONTEXT),
        features=[*AD, *MATCH, *PLACE],
    )
