"""What a model may be asked to predict, and of which kind each answer is."""

HEADS = ("click", "conversion_given_click", "save", "hide", "long_click", "order_value")
"""The heads a model may have, in this order. `hide` is a cost, `save` and `long_click` are engagement."""

DEFAULT_HEADS = ("click", "conversion_given_click", "save", "hide")
"""The heads of which every training table has the labels."""

PLACED = ("click", "save", "hide", "long_click")
"""Heads whose label needs the ad to be seen: observed with probability e g p."""

VALUES = ("order_value",)
"""Heads that give an amount, not a probability."""


def probable(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `heads` that are probabilities."""
    return tuple(head for head in heads if head not in VALUES)


def check_heads(heads: tuple[str, ...]) -> None:
    """Raises ValueError where these are not heads that a model can have."""
    if heads != tuple(head for head in HEADS if head in heads) or "click" not in heads:
        raise ValueError(f"heads: give 'click' and others of {HEADS}, in that order")
    if "order_value" in heads and "conversion_given_click" not in heads:
        raise ValueError("heads: 'order_value' is that of a conversion: give 'conversion_given_click' too")
