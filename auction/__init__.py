"""The market side: bids, layout, prices, budgets, pacing, the decision log, replay and simulation.

Knows numbers, not objects: every function takes columns (numpy arrays) of bids, probabilities,
qualities and ids, so it serves anyone who brings a ranker of their own.
"""
