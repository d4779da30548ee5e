"""The stages of a decision, one a file, in the order of `adsrank.engine`."""
