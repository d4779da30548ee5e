"""Adam for embedding tables that a batch meets only in part."""

import math

import torch
from torch import Tensor

BETAS = (0.9, 0.999)


class LazyAdam:
    """AdamW (Loshchilov and Hutter, 2019) that touches, at each step, only the rows a batch met.

    What is exact and what is lazy, for a row not met in a step:

    - its moments stay as they are: they neither decay nor move the row. (Adam would go on moving it by its
      fading first moment.) A step t of the bias correction is a step of the training, not of the row;
    - its decoupled weight decay is owed, and paid in full when the row is next met, or at `settle`:
      the product of (1 - rate x decay) over the steps since, whatever the rates were.

    So without gradients a row shrinks exactly as under AdamW, and where every batch meets every row the two
    are the same. Memory: two moments as large as the table, and 8 bytes a row.
    """

    def __init__(self, table: Tensor, decay: float, epsilon: float) -> None:
        self.table = table
        self.decay = decay
        self.epsilon = epsilon
        self.steps = 0
        self.first = torch.zeros_like(table)
        self.second = torch.zeros_like(table)
        self.shrunk = 0.0
        """Sum of log(1 - rate x decay) over all steps."""
        self.paid = torch.zeros(len(table), dtype=torch.float64)
        """Of each row, `shrunk` when it was last met."""

    def gather(self, rows: Tensor) -> Tensor:
        """The rows as they are now, their decay paid: float32 [u, d], a leaf to differentiate by."""
        self._pay(rows)
        return self.table[rows].requires_grad_()

    @torch.no_grad()
    def step(self, rows: Tensor, values: Tensor, rate: float) -> None:
        """Move `rows`, whose present `values` came from `gather` and carry their gradient."""
        gradient = values.grad
        assert gradient is not None
        self.steps += 1
        if self.decay:
            self.shrunk += math.log1p(-rate * self.decay)
            self._pay(rows)
            values = self.table[rows]
        first = self.first[rows].lerp_(gradient, 1 - BETAS[0])
        second = self.second[rows].mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        self.first[rows], self.second[rows] = first, second
        size = rate / (1 - BETAS[0] ** self.steps)
        spread = second.div_(1 - BETAS[1] ** self.steps).sqrt_().add_(self.epsilon)
        self.table[rows] = values.detach().addcdiv(first, spread, value=-size)

    def settle(self) -> None:
        """Pay what every row owes: the table is then as its weights are meant."""
        self._pay(torch.arange(len(self.table)))

    @torch.no_grad()
    def _pay(self, rows: Tensor) -> None:
        if not self.decay:
            return
        owed = torch.exp(self.shrunk - self.paid[rows]).to(self.table.dtype)
        self.table[rows] *= owed.unsqueeze(1)
        self.paid[rows] = self.shrunk

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Tensors and numbers from which `restore` goes on to the bit."""
        tensors = {"first": self.first, "second": self.second, "paid": self.paid}
        return tensors, {"steps": self.steps, "shrunk": self.shrunk}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        self.first.copy_(tensors["first"])
        self.second.copy_(tensors["second"])
        self.paid.copy_(tensors["paid"])
        self.steps, self.shrunk = int(numbers["steps"]), float(numbers["shrunk"])
