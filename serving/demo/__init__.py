"""The demonstration: a market, a model, a server, its feeds, the events, the replay, the report."""
