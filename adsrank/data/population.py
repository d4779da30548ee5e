"""What users are besides their taste: country, language, device, and the hours they are there."""

from dataclasses import dataclass

import numpy as np

from adsrank.data.world import Float64, Int32, Text


@dataclass(frozen=True, slots=True)
class Country:
    code: str
    language: str
    share: float
    utc_offset: int
    """Hours east of Greenwich, one number a country: enough for the shape of a day."""


COUNTRIES = (
    Country("US", "en", 0.40, -6),
    Country("BR", "pt", 0.13, -3),
    Country("DE", "de", 0.10, 1),
    Country("FR", "fr", 0.09, 1),
    Country("GB", "en", 0.09, 0),
    Country("CA", "en", 0.07, -5),
    Country("JP", "ja", 0.07, 9),
    Country("AU", "en", 0.05, 10),
)
DEVICES = ("phone", "desktop", "tablet")
_DEVICE_SHARE = (0.72, 0.18, 0.10)
# Peaks (local hour, width in hours, weight) of three kinds of day, and how many users live them.
_DAYS = (
    (0.55, ((20.5, 2.5, 1.0), (12.5, 1.5, 0.35), (7.5, 1.5, 0.25))),
    (0.30, ((12.0, 3.5, 1.0), (21.0, 2.0, 0.5))),
    (0.15, ((23.5, 3.0, 1.0), (15.0, 4.0, 0.4))),
)


def country_offset(codes: Text) -> Int32:
    """Hours east of Greenwich of each country code; 0 where unknown."""
    offset = np.zeros(len(codes), np.int32)
    for country in COUNTRIES:
        offset[codes == country.code] = country.utc_offset
    return offset


def hour_profiles() -> Float64:
    """[countries x kinds of day, 24] share of sessions by UTC hour, rows sum to 1."""
    local = np.arange(24.0)
    rows = []
    for country in COUNTRIES:
        for _, peaks in _DAYS:
            share = np.full(24, 0.04)
            for centre, width, weight in peaks:
                apart = np.abs(local - centre) % 24
                apart = np.minimum(apart, 24 - apart)
                share += weight * np.exp(-0.5 * (apart / width) ** 2)
            rows.append(np.roll(share / share.sum(), -country.utc_offset))
    return np.array(rows)


@dataclass(frozen=True, slots=True)
class Population:
    country: Text
    language: Text
    device: Text
    profile: Int32
    activity: Float64


def people(rng: np.random.Generator, count: int) -> Population:
    """Countries, devices and hour profiles of `count` users; activity is log-normal and sums to 1."""
    share = np.array([country.share for country in COUNTRIES])
    home = rng.choice(len(COUNTRIES), count, p=share / share.sum())
    day = rng.choice(len(_DAYS), count, p=[weight for weight, _ in _DAYS])
    activity = rng.lognormal(0.0, 0.7, count)
    return Population(
        country=np.array([country.code for country in COUNTRIES])[home],
        language=np.array([country.language for country in COUNTRIES])[home],
        device=np.array(DEVICES)[rng.choice(len(DEVICES), count, p=_DEVICE_SHARE)],
        profile=(home * len(_DAYS) + day).astype(np.int32),
        activity=activity / activity.sum(),
    )
