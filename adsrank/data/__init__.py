"""The built-in market and real input: worlds, ads, traffic, and the truth that only tests may see.

Nothing of the engine imports this package: it is the outside world.
"""
