"""One of several processes that train together, for a test: RANK SIZE PORT FOLDER UPDATE."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from adsrank.training import TrainConfig
from adsrank.training.fit import fit_rows
from adsrank.training.prepared_folder import read_prepared
from adsrank.training.workers import Workers

if __name__ == "__main__":
    rank, size, port, folder, update = sys.argv[1:]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=int(rank), world_size=int(size))
    prepared = read_prepared(Path(folder))
    # 500 does not divide by 3 workers, and the last batch of the epoch is smaller still.
    config = TrainConfig(epochs=2, batch_size=500, embedding_update=update)
    fitted = fit_rows(
        prepared.transform, prepared.train, prepared.calibrate, config, workers=Workers.joined()
    )
    save_file(fitted.network.state_dict(), Path(folder) / f"weights-{rank}.safetensors")
    (Path(folder) / f"losses-{rank}.txt").write_text(repr(fitted.losses))
    dist.destroy_process_group()
