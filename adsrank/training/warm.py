"""Warm start: a bundle's weights for a transform that knows newer ids as well."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.features.vocabulary import Encoder, IntegerVocabulary, StringVocabulary
from adsrank.models.bundle import Bundle
from adsrank.training.config import TrainConfig


def grown(old: CompiledTransform, newer: CompiledTransform) -> CompiledTransform:
    """`old` with the values that only `newer` has behind its own, so that known ids keep their numbers.

    Scales, quantiles and hashes stay: the weights were learned with them. So do the surfaces: a network
    may have a tower for each. A vocabulary grows up to its `max_size`, most frequent newcomers first.
    """
    most = {table: row.max_size for row in old.spec.features for table, _ in row.tables}
    encoders = {
        name: encoder if name == old.surface_table_ else _grown(encoder, newer.encoders_[name], most[name])
        for name, encoder in old.encoders_.items()
    }
    return CompiledTransform(old.spec, encoders, old.scales_, old.vectors_)


def carried(bundle: Bundle, transform: CompiledTransform) -> dict[str, Tensor]:
    """The bundle's weights for a network of `transform`, which `grown` made from the bundle's.

    Each stacked table's rows move to their new place; a new id starts as "any other value" of its
    table, which is what the bundle took it for.
    """
    old = bundle.transform
    source = np.zeros(transform.rows_, np.int64)
    for name, encoder in transform.encoders_.items():
        before, had = old.encoders_[name], old.encoders_[name].size
        begin, came_from = transform.starts_[name], old.starts_[name]
        source[begin : begin + had] = came_from + np.arange(had)
        source[begin + had : begin + encoder.size] = came_from + (before.unknown or 0)
    rows = torch.from_numpy(source)
    return {
        name: value[rows].clone() if _stacked(name, value, bundle, old) else value.clone()
        for name, value in bundle.network.state_dict().items()
    }


def fits(bundle: Bundle, config: TrainConfig, spec: FeatureSpec | None = None) -> TrainConfig:
    """`config` with the bundle's sizes, heads and embedding space.

    Raises:
        InputError: the config asks for others, or `spec` for other features; names the field.
    """
    if spec is not None and spec.hash != bundle.transform.spec.hash:
        raise InputError(
            "features", f"table {spec.hash}", "a continued bundle keeps its own: leave it out, or train anew"
        )
    asked, default = config, TrainConfig()
    had = {"model": bundle.manifest.model, "heads": bundle.heads, "embedding_space": bundle.embedding_space}
    for name, value in had.items():
        if getattr(asked, name) not in (value, getattr(default, name)):
            raise InputError(
                name, str(getattr(asked, name))[:120], "a continued bundle keeps its own: leave it out"
            )
    return config.model_copy(update=had)


def _grown(old: Encoder, newer: Encoder, most: int) -> Encoder:
    if isinstance(old, IntegerVocabulary) and isinstance(newer, IntegerVocabulary):
        fresh = newer.values_[~np.isin(newer.values_, old.values_)]
        values = np.concatenate([old.values_, fresh])[: max(most, len(old.values_))]
        return IntegerVocabulary(values, old.seen_)
    if isinstance(old, StringVocabulary) and isinstance(newer, StringVocabulary):
        known = set(old.values_)
        fresh_words = [word for word in newer.values_ if word not in known]
        return StringVocabulary((old.values_ + fresh_words)[: max(most, len(old.values_))], old.seen_)
    return old


def _stacked(name: str, value: Tensor, bundle: Bundle, old: CompiledTransform) -> bool:
    """Whether a weight is a stacked table: an embedding with the transform's number of rows."""
    modules: Mapping[str, torch.nn.Module] = dict(bundle.network.named_modules())
    owner = modules.get(name.removesuffix(".weight"))
    return isinstance(owner, torch.nn.Embedding) and len(value) == old.rows_
