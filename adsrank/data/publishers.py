"""Real publishers between contracts and an ad exchange: the files of Balseiro et al. (2014).

Balseiro, Feldman, Mirrokni and Muthukrishnan, "Yield optimization of display advertising with ad
exchange", Management Science 60(12). One publisher is a family of files in one folder; values of one
publisher are multiplied by one unknown constant, so money has no currency:

- ``pubN-ads.txt``: ``advertiser: 1 rho: 0.0022``, the share of all impressions promised to each contract;
- ``pubN-types.txt``: ``type: 1 prob: 0.9 advertisers: [1, 6] mean: [...] cov: [...]``, the log-normal
  quality of each kind of impression; ``cov`` is the upper triangle, column by column;
- ``pubN-adx.txt``: header ``accept.prob price revenue``, then what the exchange pays by reserve. Revenue is
  measured, not price times probability: the exchange's runner-up bids are in it;
- ``pubN-sample.txt`` or ``.gz``: comma-separated quality per contract, a line an impression; 0 where the
  impression is not of the contract's kind;
- ``pubN-opt.txt``: one number, which no document explains.
"""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adsrank.data.world import Int64
from auction.errors import InputError
from auction.reserve.exchange import ExchangeTable
from auction.slate import Float64

MAX_FILE_BYTES = 200_000_000
MAX_TEXT_BYTES = 1_000_000_000
_NUMBER = r"[-+0-9.eE]+"
_ADS = re.compile(rf"advertiser: (\d{{1,9}}) rho: ({_NUMBER})")
_TYPE = re.compile(
    rf"type: (\d{{1,9}}) prob: ({_NUMBER}) advertisers: \[([^\]]*)\] mean: \[([^\]]*)\] cov: \[([^\]]*)\]"
)
_EXCHANGE_HEADER = ["accept.prob", "price", "revenue"]
MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ImpressionType:
    """Impressions that the same contracts want; their log qualities are jointly normal."""

    probability: float
    contract: Int64
    """[k] column of each contract that wants it, from 0."""
    mean: Float64
    """[k] of the logarithm."""
    covariance: Float64
    """[k, k] of the logarithms."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """One publisher's contracts, its exchange, and its impressions."""

    advertiser: Int64
    """[contracts] ids as in the file."""
    share: Float64
    """[contracts], impressions promised over all impressions (rho)."""
    types: tuple[ImpressionType, ...]
    exchange: ExchangeTable
    """What the exchange takes and pays, by reserve."""
    quality: Float64 | None
    """[impressions, contracts], 0 where not eligible; None where the folder has no sample."""
    optimum: float | None
    """The number of the ``opt`` file, as it stands."""


def read_publisher(folder: str | Path, number: int, impressions: int | None = None) -> Publisher:
    """Read publisher `number`, with the first `impressions` of its sample (all without a limit).

    Raises:
        InputError: a file is missing (the sample and ``opt`` may be), too large or not of its format;
            names file and line.
    """
    base = Path(folder)
    advertiser, share = _contracts(base / f"pub{number}-ads.txt")
    opt = base / f"pub{number}-opt.txt"
    return Publisher(
        advertiser=advertiser,
        share=share,
        types=_types(base / f"pub{number}-types.txt", advertiser),
        exchange=read_exchange(base / f"pub{number}-adx.txt"),
        quality=_sample(base, number, len(advertiser), impressions),
        optimum=_numbers(opt, 1, _lines(opt)[0], None)[0].item() if opt.exists() else None,
    )


def read_exchange(path: str | Path) -> ExchangeTable:
    """Read one table: a header, then rows of three numbers, accept probabilities rising.

    Raises:
        InputError: not readable, too large, another header, a row that is not three finite numbers, or rows
            out of order; names file and line.
    """
    path = Path(path)
    lines = _lines(path)
    if lines[0].split() != _EXCHANGE_HEADER:
        raise InputError(f"{path}:1", lines[0][:80], f"begin with {' '.join(_EXCHANGE_HEADER)!r}")
    rows = [_numbers(path, line, text, None) for line, text in enumerate(lines[1:], 2) if text.strip()]
    for line, row in enumerate(rows, 2):
        if len(row) != len(_EXCHANGE_HEADER):
            raise InputError(f"{path}:{line}", lines[line - 1][:80], "give three numbers")
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InputError(str(path), f"{len(rows)} rows", f"give between 1 and {MAX_ROWS}")
    try:
        return ExchangeTable.of(*np.stack(rows, axis=1))
    except InputError as error:
        raise InputError(f"{path}: {error.field}", error.value, error.fix) from None


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(str(path), path.stat().st_size, f"at most {MAX_FILE_BYTES} bytes")
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise InputError(str(path), error.strerror, "put the publisher's files into one folder") from None
    except UnicodeDecodeError:
        raise InputError(str(path), "not text", "give the file as it was published") from None
    if not lines:
        raise InputError(str(path), "no line", "give the file as it was published")
    return lines


def _numbers(path: Path, line: int, text: str, separator: str | None = ",") -> Float64:
    try:
        found = np.array([float(word) for word in text.split(separator) if word.strip()], np.float64)
    except ValueError:
        raise InputError(f"{path}:{line}", text[:80], "give numbers") from None
    if not np.isfinite(found).all():
        raise InputError(f"{path}:{line}", text[:80], "give finite numbers")
    return found


def _contracts(path: Path) -> tuple[Int64, Float64]:
    ids, shares = [], []
    for line, text in enumerate(_lines(path), 1):
        found = _ADS.fullmatch(text.strip())
        share = _numbers(path, line, found[2]) if found else np.zeros(0)
        if found is None or len(share) != 1 or not 0 <= share[0] <= 1:
            raise InputError(
                f"{path}:{line}", text[:80], "give 'advertiser: ID rho: SHARE', a share in [0, 1]"
            )
        ids.append(int(found[1]))
        shares.append(share[0])
    if len(set(ids)) != len(ids):
        raise InputError(str(path), "an advertiser twice", "give each advertiser one line")
    return np.array(ids, np.int64), np.array(shares, np.float64)


def _types(path: Path, advertiser: Int64) -> tuple[ImpressionType, ...]:
    column = {int(one): at for at, one in enumerate(advertiser)}
    types = []
    for line, text in enumerate(_lines(path), 1):
        found = _TYPE.fullmatch(text.strip())
        if found is None:
            raise InputError(f"{path}:{line}", text[:80], "give type, prob, advertisers, mean and cov")
        wanted = [int(one) for one in _numbers(path, line, found[3])]
        mean, upper = _numbers(path, line, found[4]), _numbers(path, line, found[5])
        k = len(wanted)
        if len(mean) != k or len(upper) != k * (k + 1) // 2 or any(one not in column for one in wanted):
            raise InputError(
                f"{path}:{line}",
                text[:80],
                f"give known advertisers, {k} means, {k * (k + 1) // 2} covariances",
            )
        covariance = np.zeros((k, k))
        # Column by column of the upper triangle is row by row of the lower.
        covariance[np.tril_indices(k)] = upper
        covariance += np.tril(covariance, -1).T
        contract = np.array([column[one] for one in wanted], np.int64)
        types.append(ImpressionType(_numbers(path, line, found[2])[0].item(), contract, mean, covariance))
    return tuple(types)


def _sample(base: Path, number: int, contracts: int, limit: int | None) -> Float64 | None:
    for name in (f"pub{number}-sample.txt.gz", f"pub{number}-sample.txt"):
        path = base / name
        if path.is_file():
            break
    else:
        return None
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(str(path), path.stat().st_size, f"at most {MAX_FILE_BYTES} bytes")
    rows, read = [], 0
    try:
        with (
            gzip.open(path, "rt", encoding="ascii")
            if path.suffix == ".gz"
            else open(path, encoding="ascii") as file
        ):
            for line, text in enumerate(file, 1):
                if limit is not None and line > limit:
                    break
                read += len(text)
                row = _numbers(path, line, text)
                if len(row) != contracts or row.min(initial=0.0) < 0 or read > MAX_TEXT_BYTES:
                    raise InputError(
                        f"{path}:{line}", text[:80].strip(), f"give {contracts} qualities, 0 or more"
                    )
                rows.append(row)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error), "give the file as it was published") from None
    if not rows:
        raise InputError(str(path), "no impression", "give at least one line")
    return np.stack(rows)


def draw_impressions(
    types: tuple[ImpressionType, ...], contracts: int, count: int, generator: np.random.Generator
) -> Float64:
    """Made-up impressions of the published distribution, where a publisher has no sample of its own.

    Returns:
        float64 [count, contracts] quality, 0 where not eligible, in the order of arrival.
    """
    probability = np.array([one.probability for one in types])
    kind = generator.choice(len(types), count, p=probability / probability.sum())
    quality = np.zeros((count, contracts))
    for at, one in enumerate(types):
        rows = np.flatnonzero(kind == at)
        drawn = np.exp(generator.multivariate_normal(one.mean, one.covariance, len(rows)))
        quality[np.ix_(rows, one.contract)] = drawn
    return quality
