import pyarrow.parquet as pq
import pytest

from adsrank.errors import BundleError, InputError
from adsrank.models.bundle import Bundle
from adsrank.training import TrainConfig, run

SMALL = TrainConfig(epochs=1, batch_size=512)


def test_a_table_becomes_a_bundle_in_a_new_folder(few_rows, tmp_path):
    pq.write_table(few_rows, tmp_path / "examples.parquet")
    report = run(tmp_path / "examples.parquet", tmp_path / "bundle", SMALL)
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.id == report["bundle"]
    assert bundle.manifest.data.rows == len(few_rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "examples.parquet"]
    with pytest.raises(BundleError, match="exists already"):
        run(tmp_path / "examples.parquet", tmp_path / "bundle", SMALL)


def test_a_file_that_is_no_table_is_named(planted, tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(InputError, match=r"t\.parquet"):
        run(path, tmp_path / "out", SMALL)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"t\.parquet"):
        run(path, tmp_path / "out", SMALL)
    pq.write_table(planted.table.drop_columns(["click"]), path)
    with pytest.raises(InputError, match=r"t\.parquet: click"):
        run(path, tmp_path / "out", SMALL)
    pq.write_table(planted.table, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"t\.parquet"):
        run(path, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


def test_stopped_in_the_midst_of_its_transfer_report_it_is_resumed_to_both(few_rows, tmp_path):
    table = tmp_path / "t.parquet"
    pq.write_table(few_rows, table)
    config = SMALL.model_copy(update={"heads": ("click", "save")})
    whole = run(table, tmp_path / "whole", config, transfer_seeds=1)

    def stopped(stage: str, done: int, total: int) -> None:
        if stage.startswith("transfer, fit 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(table, tmp_path / "b", config, progress=stopped, folder=tmp_path / "run", transfer_seeds=1)
    assert not (tmp_path / "b").exists()
    again = run(table, tmp_path / "b", config, folder=tmp_path / "run", resume=True, transfer_seeds=1)
    assert (again["bundle"], again["transfer"]) == (whole["bundle"], whole["transfer"])
    assert [task["head"] for task in again["transfer"]["tasks"]] == ["click", "save"]
