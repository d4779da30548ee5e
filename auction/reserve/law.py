"""What every law of bidders' values answers."""

from typing import Protocol

from auction.slate import Float64


class ValueLaw(Protocol):
    """The law F of what a bidder would pay for one event.

    A price sells to a value that meets it: survival is P(value >= price), atoms included. The reserve of
    Myerson (1981) is the least price whose virtual value p - (1 - F(p)) / f(p) is not negative; for any law,
    regular or not, it is a price that maximises p * survival(p). With independent bidders of one law it does
    not depend on how many they are.

    **Values, not bids.** Where a bidder pays less by bidding less (first price; second price with several
    slots, as in GSP), bids lie below values, and a reserve that is estimated from them lies too low. Under
    `vcg`, and under `second_price` with one slot, they are the values.
    """

    def survival(self, price: Float64) -> Float64:
        """P(value >= price), of the shape of `price`."""

    def virtual_value(self, value: Float64) -> Float64:
        """p - (1 - F(p)) / f(p), ironed where the law has no density, of the shape of `value`."""

    def monopoly_price(self) -> float:
        """The price that maximises price * survival(price); of several, the lowest."""
