"""Requests of a mixer that has decided about some positions itself, for the demo's traffic."""

from adsrank.request import AdRequest, Held, HeldAs

_NEAR, _FAR = 8, 12
"""Modules stand among the first positions; one ad's place is reserved behind them."""


def with_holds(request: AdRequest, share: float) -> AdRequest:
    """`request`, in a `share` of all requests with a module, a position without ads and one for an ad.

    Which requests and positions follows from the request id alone. A page too short for them stays as it is.
    """
    bits = request.seed
    if bits % 10_000 >= share * 10_000 or len(request.organic) < _NEAR + _FAR:
        return request
    module = 1 + (bits >> 20) % _NEAR
    empty = module + 1 + (bits >> 30) % 3
    for_ad = empty + 1 + (bits >> 40) % (_NEAR + _FAR - empty)
    places = ((module, HeldAs.MODULE), (empty, HeldAs.NO_AD), (for_ad, HeldAs.FOR_AD))
    held = [Held(position=position, hold=hold) for position, hold in places]
    return request.model_copy(update={"held": held})
