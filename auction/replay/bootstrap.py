"""Intervals of totals over a log, clustered by user, in bounded memory.

Users (requests, where there is no user) fall into `BUCKETS` groups by a hash; a group's sums are kept,
not its rows. The percentile bootstrap resamples whole groups, so that what one user does in many
requests counts as one draw; resampling groups of clusters is as good as clusters once there are
hundreds of groups (cf. Chamandy et al. 2012, "Estimating uncertainty for massive data streams").
A log of one policy has one decision per request, so both policies' totals move together: the interval
is of the paired difference.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BUCKETS = 4_096
RESAMPLES = 2_000
LEVEL = 0.95

METHOD = (
    f"percentile bootstrap, {RESAMPLES} resamples of users (requests without a user: of requests) "
    f"in {BUCKETS} hashed groups, level {LEVEL:.0%}"
)


def buckets_of(user_id: pa.Array, request_id: pa.Array) -> npt.NDArray[np.int64]:
    """Group of each decision, from its user, or its request where the user is null."""
    keys = pa.compute.if_else(
        pa.compute.is_valid(user_id),
        pa.compute.binary_join_element_wise("u", user_id, ":"),
        pa.compute.binary_join_element_wise("r", request_id, ":"),
    ).dictionary_encode()
    hashed: npt.NDArray[np.int64] = np.array([_bucket(key) for key in keys.dictionary.to_pylist()], np.int64)
    groups: npt.NDArray[np.int64] = hashed[keys.indices.to_numpy()]
    return groups


def _bucket(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % BUCKETS


def interval(
    sums: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], generator: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper end for every total.

    Args:
        sums: float64 [BUCKETS, ...], the groups' sums.
        present: [BUCKETS], the groups that some decision fell into.
        generator: draws the resamples; equal seeds give equal intervals.

    Returns:
        Two arrays of the shape of a total; NaN where fewer than two groups are present, since one
        user says nothing of others.
    """
    flat = sums.reshape(len(sums), -1)[present]
    if len(flat) < 2:
        nothing = np.full(sums.shape[1:], np.nan)
        return nothing, nothing.copy()
    # All BUCKETS groups are drawn from; empty ones add nothing, so only the draws that fall on
    # present groups are made. How many users a log holds is thus left to chance, as it is.
    totals = np.empty((RESAMPLES, flat.shape[1]))
    draws = generator.binomial(len(sums), len(flat) / len(sums), RESAMPLES)
    for at, count in enumerate(draws):
        weight = np.bincount(generator.integers(0, len(flat), count), minlength=len(flat))
        totals[at] = weight @ flat
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(totals, [tail, 1 - tail], axis=0)
    return low.reshape(sums.shape[1:]), high.reshape(sums.shape[1:])
