"""One step of training: the loss of a batch, its gradients, and the rows and weights they move."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from adsrank.models.half import HalfTensors
from adsrank.models.multitask import MultiTask
from adsrank.training.config import TrainConfig
from adsrank.training.lazy_adam import BETAS, LazyAdam
from adsrank.training.loss import Targets, loss
from adsrank.training.schedule import Schedule
from adsrank.training.touched import Touched
from adsrank.training.workers import Workers

LAZY_FROM = 200_000
"""Embedding rows from which `auto` updates only those that a batch met: below, moving all is quicker."""


class Stepper:
    """Updates a network batch by batch; `steps` is how many there will be at most.

    Embeddings and the rest are AdamW (Loshchilov and Hutter, 2019), each with its own rate, decay and
    epsilon. In lazy mode the gradient is taken by the distinct rows of the batch alone, so a step costs
    the same however many rows the table has.
    """

    def __init__(self, network: MultiTask, config: TrainConfig, steps: int, workers: Workers) -> None:
        self.network = network
        self.config = config
        self.workers = workers
        self.step = 0
        self._schedule = Schedule(config.schedule, steps)
        self._embedding_rate = config.embedding_learning_rate or config.learning_rate
        tables = {
            f"{name}.weight": module
            for name, module in network.named_modules()
            if isinstance(module, nn.Embedding) and module.num_embeddings == network.embedding.num_embeddings
        }
        rows = network.embedding.num_embeddings
        lazy = config.embedding_update == "lazy" or (config.embedding_update == "auto" and rows >= LAZY_FROM)
        self._touched = Touched(rows) if lazy else None
        self._lazy = {
            name: LazyAdam(module.weight.data, config.embedding_decay, config.embedding_epsilon)
            for name, module in tables.items()
            if lazy
        }
        rest = [p for name, p in network.named_parameters() if name not in tables]
        groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": config.weight_decay}]
        if not lazy:
            groups.append(
                {
                    "params": [module.weight for module in tables.values()],
                    "weight_decay": config.embedding_decay,
                    "eps": config.embedding_epsilon,
                }
            )
        self._optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS, fused=True)

    def __call__(self, asked: HalfTensors, offered: HalfTensors, targets: Targets) -> float:
        """The loss of the batch before the update; of this worker's share of it where there are several."""
        factor = self._schedule.factor(self.step)
        for group, rate in zip(
            self._optimizer.param_groups, (self.config.learning_rate, self._embedding_rate), strict=False
        ):
            group["lr"] = rate * factor
        self._optimizer.zero_grad(set_to_none=True)
        met, values = None, {}
        if self._touched is not None:
            # Ids will count in the rows met: the surface is read before.
            asked = asked._replace(surface=self.network.surface(asked))
            met, (asked, offered) = self._touched.of((asked, offered))
            values = {name: table.gather(met) for name, table in self._lazy.items()}
        found = self._backward(asked, offered, targets, values)
        self._optimizer.step()
        if met is not None:
            for name, table in self._lazy.items():
                table.step(met, values[name], self._embedding_rate * factor)
        self.step += 1
        return found

    def _backward(
        self, asked: HalfTensors, offered: HalfTensors, targets: Targets, values: dict[str, Tensor]
    ) -> float:
        n = len(offered.ids)
        own = self.workers.share(n)
        size = own.stop - own.start
        if size < n:
            rows = torch.arange(own.start, own.stop)
            asked, offered, targets = asked.take(rows), offered.take(rows), targets.take(rows)
        found = 0.0
        if size:
            if values:
                outputs = functional_call(self.network, values, (asked, offered))
            else:
                outputs = self.network(asked, offered)
            total = loss(outputs, targets, self.config, self.network.log_variance)
            (total if size == n else total * (size / n)).backward()
            found = float(total.detach())
        if self.workers.size > 1:
            leaves = [p for group in self._optimizer.param_groups for p in group["params"]]
            for leaf in (*leaves, *values.values()):
                if leaf.grad is None:
                    leaf.grad = torch.zeros_like(leaf)
            self.workers.sum_(leaf.grad for leaf in (*leaves, *values.values()) if leaf.grad is not None)
        return found

    def settle(self) -> None:
        """Make the network's weights what they are meant to be: before they are copied or scored with."""
        for table in self._lazy.values():
            table.settle()

    def rate(self) -> float:
        """The learning rate of the next step, of all but embeddings."""
        return self.config.learning_rate * self._schedule.factor(self.step)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers from which `restore` goes on to the bit; the network's weights are apart."""
        tensors: dict[str, Tensor] = {}
        for number, entry in self._optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": value for name, value in entry.items()}
        numbers: dict[str, Any] = {"step": self.step, "lazy": {}}
        for name, table in self._lazy.items():
            found, numbers["lazy"][name] = table.state()
            tensors |= {f"lazy.{name}.{part}": value for part, value in found.items()}
        return tensors, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.step = int(numbers["step"])
        entries: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, number, part = name.split(".")
                entries.setdefault(int(number), {})[part] = value
        self._optimizer.load_state_dict(
            {"state": entries, "param_groups": self._optimizer.state_dict()["param_groups"]}
        )
        for name, table in self._lazy.items():
            parts = {part: tensors[f"lazy.{name}.{part}"] for part in ("first", "second", "paid")}
            table.restore(parts, numbers["lazy"][name])
