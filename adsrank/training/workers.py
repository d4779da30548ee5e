"""One process, or one of several that train the same network on the same batches.

Every worker goes through the same rows in the same order and computes its share of each batch; gradients
are summed. With the same batch size, any number of workers makes the same steps, up to the order in which
floats are added.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Workers:
    """`rank` of `size`; a single process neither waits nor sends."""

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls) -> Self:
        """Those of torch's process group, which is there already."""
        return cls(dist.get_rank(), dist.get_world_size())

    def share(self, n: int) -> slice:
        """This worker's part of n rows; the parts follow each other by rank."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum_(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the workers, in one message."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        at = 0
        for tensor in tensors:
            tensor.copy_(flat[at : at + tensor.numel()].view_as(tensor))
            at += tensor.numel()

    def gather(self, own: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
        """Rows [n, ...] of which this worker has its `share`, on every worker."""
        if self.size == 1:
            return own
        whole = torch.zeros(n, *own.shape[1:], dtype=torch.float64)
        whole[self.share(n)] = torch.from_numpy(own)
        dist.all_reduce(whole)
        return whole.numpy()

    def wait(self) -> None:
        """Until all workers are here."""
        if self.size > 1:
            dist.barrier()
