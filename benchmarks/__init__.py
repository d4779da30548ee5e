"""Commands that print figures; `adsrank bench NAME` runs their `rows()`."""
