"""Whether what serving logged is what the offline build makes of the same requests and ads.

Every logged feature column is made again from as much as is at hand (the decision's time, the other
logged columns, the catalog, the requests) and compared value by value. With the bundle, the logged
columns also go through its transform in both of its forms, and through its model: equal scores say that
the ids and numbers behind them were those of serving, which the log itself does not hold.
"""

from adsrank.features.parity.check import check
from adsrank.features.parity.report import Agreement, ParityReport

__all__ = ["Agreement", "ParityReport", "check"]
