"""A request of the HTTP door, as the gRPC door takes it."""

from collections.abc import Sequence
from typing import Any

from adsrank.request import AdRequest
from serving.proto import ads_pb2 as pb

CODES = {"no_ad": pb.HOLD_NO_AD, "for_ad": pb.HOLD_FOR_AD, "module": pb.HOLD_MODULE}


def message(
    body: dict[str, Any], held: Sequence[dict[str, Any]] = (), explain: bool = False
) -> pb.FeedRequest:
    asked = AdRequest.model_validate(body)
    return pb.FeedRequest(
        request_id=asked.request_id,
        user_id=asked.user_id,
        surface=asked.surface.value,
        time_us=round(asked.time.timestamp() * 1e6),
        country=asked.country,
        language=asked.language,
        device=asked.device,
        intents=[pb.Intent(embedding=i.embedding, weight=i.weight, source=i.source) for i in asked.intents],
        user_interests=asked.user_interests,
        recent_interests=asked.recent_interests,
        recent_actions=[
            pb.Action(
                type=each.type.value,
                interest=each.interest,
                item=each.item,
                time_us=round(each.time.timestamp() * 1e6),
            )
            for each in asked.recent_actions
        ],
        organic=[
            pb.OrganicItem(id=item.id, utility=item.utility, grade=pb.Grade.Value(f"GRADE_{item.grade.name}"))
            for item in asked.organic
        ],
        positions_since_ad=asked.positions_since_ad,
        held=[pb.Held(position=each["position"], hold=CODES[each["hold"]]) for each in held],
        explain=explain,
    )
