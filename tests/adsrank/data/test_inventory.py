import numpy as np
import pytest

from adsrank.data.inventory import Inventory, seconds
from auction.errors import InputError


def test_ads_are_joined_to_their_parents(rows) -> None:
    inventory = Inventory.of(rows)
    ads = {row["id"]: row for row in rows if row["kind"] == "ad"}
    groups = {row["id"]: row for row in rows if row["kind"] == "ad_group"}
    campaigns = {row["id"]: row for row in rows if row["kind"] == "campaign"}
    assert inventory.ad_id.tolist() == sorted(ads)
    for row in range(0, 900, 97):
        ad = ads[int(inventory.ad_id[row])]
        campaign = campaigns[groups[ad["ad_group_id"]]["campaign_id"]]
        assert inventory.campaign_id[row] == campaign["id"]
        assert inventory.advertiser_id[row] == campaign["account_id"]
        assert inventory.objective[row] == campaign["objective"]
        assert inventory.starts_at[row] == seconds(campaign["start_time"])
        np.testing.assert_allclose(inventory.vector[row], ad["embedding"], atol=1e-6)


def test_the_order_of_rows_does_not_matter(rows) -> None:
    turned = Inventory.of(reversed(rows))
    assert np.array_equal(turned.ad_id, Inventory.of(rows).ad_id)
    assert np.array_equal(turned.vector, Inventory.of(rows).vector)


@pytest.mark.parametrize("kind", ["campaign", "ad_group", "ad"])
def test_a_pause_anywhere_above_an_ad_stops_it(rows, kind: str) -> None:
    stopped = Inventory.of({**row, "status": "PAUSED"} if row["kind"] == kind else row for row in rows)
    assert not stopped.active.any()


def test_only_a_blocking_label_stops_an_ad(rows) -> None:
    def active(label: str) -> float:
        labelled = ({**row, "policy_labels": [label]} if row["kind"] == "ad" else row for row in rows)
        return float(Inventory.of(labelled).active.mean())

    assert active("rejected") == 0.0
    assert active("alcohol") > 0.8


def test_a_missing_targeting_key_takes_all(rows) -> None:
    inventory = Inventory.of(rows)
    anywhere = np.array(["countries" not in spec for spec in inventory.targeting])
    assert inventory.accepts("countries", "US")[anywhere].all()
    assert np.array_equal(inventory.accepts("countries", "no such"), anywhere)


def test_a_schedule_is_narrowed_by_the_ad_group(rows) -> None:
    late = "2030-01-01T00:00:00Z"
    inventory = Inventory.of(
        {**row, "start_time": late} if row["kind"] == "ad_group" else row for row in rows
    )
    assert (inventory.starts_at == seconds(late)).all()


def test_rows_that_cannot_be_joined_are_refused(rows) -> None:
    with pytest.raises(InputError, match="campaign_id"):
        Inventory.of(row for row in rows if row["kind"] != "campaign")
    with pytest.raises(InputError, match="no ad"):
        Inventory.of(row for row in rows if row["kind"] != "ad")
    with pytest.raises(InputError, match="kind"):
        Inventory.of([*rows, {"kind": "advert", "id": 1}])
    with pytest.raises(InputError, match="embedding"):
        Inventory.of({**row, "embedding": None} if row["kind"] == "ad" else row for row in rows)


def test_an_unknown_ad_is_named(rows) -> None:
    inventory = Inventory.of(rows)
    assert inventory.row_of(inventory.ad_id[[5, 2]]).tolist() == [5, 2]
    with pytest.raises(InputError, match=r"ad_id\[1\]: 17"):
        inventory.row_of(np.array([int(inventory.ad_id[0]), 17]))
