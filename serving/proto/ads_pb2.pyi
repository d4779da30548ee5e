from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Grade(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRADE_UNLABELLED: _ClassVar[Grade]
    GRADE_LOW: _ClassVar[Grade]
    GRADE_MEDIUM: _ClassVar[Grade]
    GRADE_HIGH: _ClassVar[Grade]

class Hold(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLD_UNSPECIFIED: _ClassVar[Hold]
    HOLD_NO_AD: _ClassVar[Hold]
    HOLD_FOR_AD: _ClassVar[Hold]
    HOLD_MODULE: _ClassVar[Hold]
GRADE_UNLABELLED: Grade
GRADE_LOW: Grade
GRADE_MEDIUM: Grade
GRADE_HIGH: Grade
HOLD_UNSPECIFIED: Hold
HOLD_NO_AD: Hold
HOLD_FOR_AD: Hold
HOLD_MODULE: Hold

class Intent(_message.Message):
    __slots__ = ("embedding", "weight", "source")
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    embedding: _containers.RepeatedScalarFieldContainer[float]
    weight: float
    source: str
    def __init__(self, embedding: _Optional[_Iterable[float]] = ..., weight: _Optional[float] = ..., source: _Optional[str] = ...) -> None: ...

class OrganicItem(_message.Message):
    __slots__ = ("id", "utility", "grade")
    ID_FIELD_NUMBER: _ClassVar[int]
    UTILITY_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    id: str
    utility: float
    grade: Grade
    def __init__(self, id: _Optional[str] = ..., utility: _Optional[float] = ..., grade: _Optional[_Union[Grade, str]] = ...) -> None: ...

class Held(_message.Message):
    __slots__ = ("position", "hold")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    position: int
    hold: Hold
    def __init__(self, position: _Optional[int] = ..., hold: _Optional[_Union[Hold, str]] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("type", "interest", "item", "time_us")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    INTEREST_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    type: str
    interest: int
    item: int
    time_us: int
    def __init__(self, type: _Optional[str] = ..., interest: _Optional[int] = ..., item: _Optional[int] = ..., time_us: _Optional[int] = ...) -> None: ...

class FeedRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "surface", "time_us", "country", "language", "device", "embedding_space", "intents", "user_interests", "recent_interests", "organic", "positions_since_ad", "blocked_advertisers", "hidden_ads", "personalized", "deadline_ms", "explain", "held", "recent_actions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SURFACE_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_SPACE_FIELD_NUMBER: _ClassVar[int]
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    USER_INTERESTS_FIELD_NUMBER: _ClassVar[int]
    RECENT_INTERESTS_FIELD_NUMBER: _ClassVar[int]
    ORGANIC_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_SINCE_AD_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_ADVERTISERS_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_ADS_FIELD_NUMBER: _ClassVar[int]
    PERSONALIZED_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    RECENT_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    surface: str
    time_us: int
    country: str
    language: str
    device: str
    embedding_space: str
    intents: _containers.RepeatedCompositeFieldContainer[Intent]
    user_interests: _containers.RepeatedScalarFieldContainer[int]
    recent_interests: _containers.RepeatedScalarFieldContainer[int]
    organic: _containers.RepeatedCompositeFieldContainer[OrganicItem]
    positions_since_ad: int
    blocked_advertisers: _containers.RepeatedScalarFieldContainer[int]
    hidden_ads: _containers.RepeatedScalarFieldContainer[int]
    personalized: bool
    deadline_ms: int
    explain: bool
    held: _containers.RepeatedCompositeFieldContainer[Held]
    recent_actions: _containers.RepeatedCompositeFieldContainer[Action]
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., surface: _Optional[str] = ..., time_us: _Optional[int] = ..., country: _Optional[str] = ..., language: _Optional[str] = ..., device: _Optional[str] = ..., embedding_space: _Optional[str] = ..., intents: _Optional[_Iterable[_Union[Intent, _Mapping]]] = ..., user_interests: _Optional[_Iterable[int]] = ..., recent_interests: _Optional[_Iterable[int]] = ..., organic: _Optional[_Iterable[_Union[OrganicItem, _Mapping]]] = ..., positions_since_ad: _Optional[int] = ..., blocked_advertisers: _Optional[_Iterable[int]] = ..., hidden_ads: _Optional[_Iterable[int]] = ..., personalized: _Optional[bool] = ..., deadline_ms: _Optional[int] = ..., explain: _Optional[bool] = ..., held: _Optional[_Iterable[_Union[Held, _Mapping]]] = ..., recent_actions: _Optional[_Iterable[_Union[Action, _Mapping]]] = ...) -> None: ...

class AdPosition(_message.Message):
    __slots__ = ("ad_id", "title", "advertiser_id", "campaign_id", "destination_url", "price_micros", "billable_event", "token", "disclosure", "why")
    AD_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ADVERTISER_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_URL_FIELD_NUMBER: _ClassVar[int]
    PRICE_MICROS_FIELD_NUMBER: _ClassVar[int]
    BILLABLE_EVENT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    ad_id: int
    title: str
    advertiser_id: int
    campaign_id: int
    destination_url: str
    price_micros: int
    billable_event: str
    token: str
    disclosure: str
    why: str
    def __init__(self, ad_id: _Optional[int] = ..., title: _Optional[str] = ..., advertiser_id: _Optional[int] = ..., campaign_id: _Optional[int] = ..., destination_url: _Optional[str] = ..., price_micros: _Optional[int] = ..., billable_event: _Optional[str] = ..., token: _Optional[str] = ..., disclosure: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class FeedPosition(_message.Message):
    __slots__ = ("position", "organic_id", "ad", "module")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ORGANIC_ID_FIELD_NUMBER: _ClassVar[int]
    AD_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    position: int
    organic_id: str
    ad: AdPosition
    module: bool
    def __init__(self, position: _Optional[int] = ..., organic_id: _Optional[str] = ..., ad: _Optional[_Union[AdPosition, _Mapping]] = ..., module: _Optional[bool] = ...) -> None: ...

class StageRow(_message.Message):
    __slots__ = ("name", "came", "went", "milliseconds", "left")
    class LeftEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    CAME_FIELD_NUMBER: _ClassVar[int]
    WENT_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    name: str
    came: int
    went: int
    milliseconds: float
    left: _containers.ScalarMap[str, int]
    def __init__(self, name: _Optional[str] = ..., came: _Optional[int] = ..., went: _Optional[int] = ..., milliseconds: _Optional[float] = ..., left: _Optional[_Mapping[str, int]] = ...) -> None: ...

class FeedResponse(_message.Message):
    __slots__ = ("request_id", "feed", "degraded", "policy", "bundle", "snapshot", "stages")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FEED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    feed: _containers.RepeatedCompositeFieldContainer[FeedPosition]
    degraded: str
    policy: str
    bundle: str
    snapshot: str
    stages: _containers.RepeatedCompositeFieldContainer[StageRow]
    def __init__(self, request_id: _Optional[str] = ..., feed: _Optional[_Iterable[_Union[FeedPosition, _Mapping]]] = ..., degraded: _Optional[str] = ..., policy: _Optional[str] = ..., bundle: _Optional[str] = ..., snapshot: _Optional[str] = ..., stages: _Optional[_Iterable[_Union[StageRow, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("event_id", "token", "type", "time_us", "value_micros", "user_id")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    VALUE_MICROS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    token: str
    type: str
    time_us: int
    value_micros: int
    user_id: str
    def __init__(self, event_id: _Optional[str] = ..., token: _Optional[str] = ..., type: _Optional[str] = ..., time_us: _Optional[int] = ..., value_micros: _Optional[int] = ..., user_id: _Optional[str] = ...) -> None: ...

class EventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class EventResult(_message.Message):
    __slots__ = ("event_id", "status", "charged_micros", "detail")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    status: str
    charged_micros: int
    detail: str
    def __init__(self, event_id: _Optional[str] = ..., status: _Optional[str] = ..., charged_micros: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class EventsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    def __init__(self, results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ...) -> None: ...
