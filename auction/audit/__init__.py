"""Proofs on a market at hand: what a misreport gains, what each rule costs, which identities hold."""

from auction.audit.audit import SLOTS, audit
from auction.audit.feed_rules import broken_rules
from auction.audit.identities import Identity, check_identities
from auction.audit.misreport import BestResponse, best_responses
from auction.audit.report import AuditReport, RegretRow

__all__ = [
    "SLOTS",
    "AuditReport",
    "BestResponse",
    "Identity",
    "RegretRow",
    "audit",
    "best_responses",
    "broken_rules",
    "check_identities",
]
