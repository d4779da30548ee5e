"""What a fit tells while it goes on."""

from typing import Any, Protocol


class Journal(Protocol):
    """Hears of figures by step, and of checkpoints to go back to."""

    def record(self, part: str, step: int, values: dict[str, Any]) -> None:
        """Figures of "train" (every so many steps) or "later" (each epoch) after `step` steps."""

    def back_to(self, step: int) -> None:
        """The fit goes on from `step`: what was recorded after it did not happen."""


class Silent:
    """Keeps nothing."""

    def record(self, part: str, step: int, values: dict[str, Any]) -> None:
        pass

    def back_to(self, step: int) -> None:
        pass
