"""Distilling the model into two towers."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from adsrank.features.batch import FeatureBatch
from adsrank.features.transform import CompiledTransform
from adsrank.models.half import tensors
from adsrank.models.multitask import MultiTask
from adsrank.models.two_tower import TwoTowerNet, TwoTowerStage
from adsrank.training.config import TowersConfig

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def fit_towers(
    transform: CompiledTransform,
    network: MultiTask,
    sample: FeatureBatch,
    target: Float64,
    prior: Float32,
    config: TowersConfig,
    generator: np.random.Generator,
) -> TwoTowerStage:
    """Towers that regress `target` (float64 [n], the network's logits of `sample`) by squared error.

    Adam with a rate that falls to zero along a cosine (Loshchilov and Hutter, 2017). The embeddings are
    the network's and stay as they are.
    """
    widths = config.widths()
    net = TwoTowerNet(transform, widths, network.embedding.weight.detach())
    draws = torch.Generator().manual_seed(int(generator.integers(2**31)))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("weight"):
                weight.normal_(0.0, float(np.sqrt(2.0 / max(weight.shape[1], 1))), generator=draws)
            else:
                weight.zero_()
        net.get_buffer("prior").copy_(torch.from_numpy(prior))
        net.get_parameter("ad.2.bias")[-1] = float(target.mean())
    n = len(sample)
    asked, offered = tensors(sample.request), tensors(sample.ad)
    wanted = torch.from_numpy(target.astype(np.float32))
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    steps = config.epochs * -(-n // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(config.epochs):
        order = torch.randperm(n, generator=draws)
        for start in range(0, n, config.batch_size):
            rows = order[start : start + config.batch_size]
            optimizer.zero_grad(set_to_none=True)
            loss = F.mse_loss(net(asked.take(rows), offered.take(rows)), wanted[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    stored = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    return TwoTowerStage(transform, widths, stored, network.embedding.weight)
