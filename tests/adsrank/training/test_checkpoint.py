import json

import numpy as np
import pytest
import torch

from adsrank.errors import InputError
from adsrank.models.exposure import ExposureCurve
from adsrank.training.checkpoint import Checkpoints, Standing

CURVE = ExposureCurve(np.array([1.0, 0.1 + 0.2]), np.array([0.5, 0.6, 0.7, 0.8]))


def standing(epoch: int) -> Standing:
    return Standing(
        CURVE, {"w": torch.full((2,), 0.1)}, CURVE, 0.123456789, epoch, 3, 1, [0.2, 0.1], 1.5, 1.25
    )


def saved(folder, count=1) -> Checkpoints:
    checkpoints = Checkpoints(folder, "abc")
    for epoch in range(count):
        checkpoints.save(
            {"m": torch.arange(3.0), "g": torch.zeros(4, dtype=torch.uint8)}, {"step": epoch}, standing(epoch)
        )
    return checkpoints


def test_what_is_read_is_what_was_written(tmp_path):
    found = saved(tmp_path / "c").load()
    assert found is not None
    assert found.numbers == {"step": 0}
    assert found.tensors["m"].tolist() == [0.0, 1.0, 2.0]
    assert found.tensors["g"].dtype == torch.uint8
    told = found.standing
    assert torch.equal(told.best["w"], torch.full((2,), 0.1))
    assert np.array_equal(told.exposure.examination, CURVE.examination)  # to the bit
    assert (told.best_loss, told.epoch, told.batch, told.waited) == (0.123456789, 0, 3, 1)
    assert (told.losses, told.seconds, told.busy, told.done) == ([0.2, 0.1], 1.5, 1.25, False)


def test_the_last_two_are_kept_and_torn_ones_are_passed_over(tmp_path):
    checkpoints = saved(tmp_path, 5)
    (tmp_path / ".part-x").mkdir()
    (tmp_path / ".part-x" / "state.json").write_text("{")
    assert [path.name for path in sorted(tmp_path.glob("0*"))] == ["00000004", "00000005"]
    found = checkpoints.load()
    assert found is not None
    assert found.standing.epoch == 4
    checkpoints.save({}, {}, standing(5))
    assert not (tmp_path / ".part-x").exists()


def test_none_is_none(tmp_path):
    assert Checkpoints(tmp_path / "no", "abc").load() is None


def test_another_runs_checkpoint_is_refused(tmp_path):
    saved(tmp_path)
    with pytest.raises(InputError, match="another table or configuration"):
        Checkpoints(tmp_path, "abd").load()


@pytest.mark.parametrize("damage", ["tensors", "json", "version", "missing"])
def test_a_damaged_one_is_named_and_not_half_read(tmp_path, damage):
    checkpoints = saved(tmp_path)
    folder = tmp_path / "00000001"
    if damage == "tensors":
        content = bytearray((folder / "state.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "state.safetensors").write_bytes(bytes(content))
    elif damage == "json":
        (folder / "state.json").write_text("{")
    elif damage == "version":
        told = json.loads((folder / "state.json").read_text())
        (folder / "state.json").write_text(json.dumps({**told, "version": 99}))
    else:
        (folder / "state.safetensors").unlink()
    with pytest.raises(InputError, match="00000001"):
        checkpoints.load()
