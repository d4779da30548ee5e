"""Feed rules in the manner of well-known feeds, by name: ``rules: x`` or ``rules: {preset: x, max_ads: 4}``.

What is published of a feed is its form; where a number is not, it is ours.
"""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # A grid of pins: the page opens with something organic, ads keep apart, at most a quarter of the page.
    # The gap effect of `Exposure` reaches four positions back.
    "pinterest": {"first_position": 2, "min_gap": 3, "max_ads": 8, "max_share": 0.25},
    # A list where an ad is shown only where revenue plus its utility beats the organic utility that it
    # displaces, under a top slot and a minimum gap and nothing else (Yan et al. 2020, "Ads allocation in
    # feed via constrained optimization"). The first is what the layout maximises under any rules.
    "linkedin": {"first_position": 2, "min_gap": 4, "max_ads": 16, "max_share": 1.0, "adjacency": False},
    # A timeline: no ads on a page of fewer than five organic items, three positions from ad to ad where
    # that costs no slot and never fewer than two, ads at most half as many as the safe items, and never
    # beside an unsafe one.
    "x": {
        "first_position": 2,
        "min_gap": 2,
        "wanted_gap": 3,
        "max_ads": 16,
        "max_share": 1.0,
        "max_share_of_safe": 0.5,
        "min_organics": 5,
    },
}


def expand(rules: Any) -> Any:
    """`rules` of a policy file with its preset written out; what stands beside the preset wins.

    Raises:
        ValueError: no preset of that name.
    """
    if isinstance(rules, str):
        rules = {"preset": rules}
    if not isinstance(rules, dict) or "preset" not in rules:
        return rules
    name = rules["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"rules.preset: {name!r} is not known; known: {', '.join(PRESETS)}")
    return PRESETS[name] | {key: value for key, value in rules.items() if key != "preset"}
