"""The user's last actions: encoded once a request, attended to by each candidate."""

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adsrank.models.config import SequenceConfig
from adsrank.models.half import Embedded

OLDEST = math.log1p(365 * 86_400)
"""The age (log of 1 + seconds) of the last knot: a year; older actions count as that old."""

APART = -1e9
"""Added to the score of padding: finite, so that a row of nothing but padding has no NaN."""

GROUPS = 6
"""Of users by the length of their sequence, where several are encoded at once."""


class Encoded(NamedTuple):
    """An encoded sequence: actions float32 [r, L, d], penalty [r, L] (0, or `APART` where padding), and
    some [r, 1] (1, or 0 where there is no action at all)."""

    actions: Tensor
    penalty: Tensor
    some: Tensor


class EncoderLayer(nn.Module):
    """x + Attention(LN(x)), then x + W_2 relu(W_1 LN(x)): a transformer layer, norm first.

    Source: Vaswani et al. (2017), with the norm's place of Xiong et al. (2020).
    """

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before = nn.LayerNorm(config.width)
        self.between = nn.LayerNorm(config.width)
        self.into = nn.Parameter(torch.empty(3 * config.width, config.width))
        self.out = nn.Parameter(torch.empty(config.width, config.width))
        self.wide = nn.Parameter(torch.empty(config.feed_forward, config.width))
        self.wide_bias = nn.Parameter(torch.zeros(config.feed_forward))
        self.narrow = nn.Parameter(torch.empty(config.width, config.feed_forward))

    def initialize(self, generator: torch.Generator) -> None:
        for weight in (self.into, self.out, self.wide, self.narrow):
            weight.normal_(0.0, 1.0 / math.sqrt(weight.shape[1]), generator=generator)

    def forward(self, x: Tensor, penalty: Tensor) -> Tensor:
        """float32 [r, L, d]; penalty [r, L] is added to the score of each key."""
        r, length, width = x.shape
        three = F.linear(self.before(x), self.into).view(r, length, 3, self.heads, -1)
        query, key, value = three.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, penalty[:, None, None])
        # Flat, so that a sum is part of the product before it.
        flat = torch.addmm(x.view(-1, width), found.transpose(1, 2).reshape(-1, width), self.out.T)
        hidden = F.relu_(torch.addmm(self.wide_bias, self.between(flat), self.wide.T))
        return torch.addmm(flat, hidden, self.narrow.T).view(r, length, width)


class SequenceEncoder(nn.Module):
    """Actions -> what they say of the user, and of the user before one candidate.

    An action is A [e_1; ...; e_C] + sum_j h_j(age) T_j: its embeddings (interest, type, ...) and its age
    between learned knots T_j (h_j the hat functions on log(1 + seconds)). A transformer encodes them. A
    candidate reads its outputs by target attention, softmax(q K' / sqrt d) V with q from the ad's features,
    and the result joins its numbers; their maximum and the newest may join the request's.

    Source: TransAct (Xia et al., KDD 2023), which puts the candidate's embedding beside every action
    before the transformer. That costs a transformer run a candidate; here the transformer runs once a
    request and a candidate costs two products with the [L, d] outputs (attention as in Deep Interest
    Network, Zhou et al., KDD 2018). What is lost: the candidate cannot change how actions see each other.

    Without an action all of it is exactly 0.
    """

    def __init__(self, columns: int, embedding: int, ad: int, config: SequenceConfig) -> None:
        """`columns` of an action, `ad` columns of the candidate's half."""
        super().__init__()
        self.width = config.width
        self.action = nn.Parameter(torch.empty(config.width, columns * embedding))
        self.age = nn.Parameter(torch.empty(config.ages, config.width))
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.query = nn.Parameter(torch.empty(config.width, ad))
        self.value = nn.Parameter(torch.empty(config.width, config.width))

    def initialize(self, generator: torch.Generator) -> None:
        # Embeddings start small: the map makes their like as large as the ages' part.
        self.action.normal_(0.0, 4.0 / math.sqrt(self.action.shape[1]), generator=generator)
        self.age.normal_(0.0, 0.1, generator=generator)
        for layer in self.layers:
            cast(EncoderLayer, layer).initialize(generator)
        for weight in (self.query, self.value):
            weight.normal_(0.0, 1.0 / math.sqrt(weight.shape[1]), generator=generator)

    def encode(self, vectors: Tensor, there: Tensor, age: Tensor) -> Encoded:
        """The sequence, for `summary` and `attend`.

        Parameters:
            vectors: embeddings float32 [r, L, C, E], oldest action first.
            there: bool [r, L], False where padding, which stands in front.
            age: float32 [r, L], log(1 + seconds before the request).
        """
        penalty = there.logical_not() * APART
        x = (self._actions if len(there) == 1 else self._by_length)(vectors, age, penalty)
        return Encoded(x, penalty, there.any(1, keepdim=True).to(x.dtype))

    def summary(self, encoded: Encoded) -> Tensor:
        """The maximum and the newest of the outputs, float32 [r, 2 d]."""
        most = (encoded.actions + encoded.penalty.unsqueeze(2)).amax(1)
        return torch.cat([most, encoded.actions[:, -1]], 1) * encoded.some

    def attend(self, encoded: Encoded, ad: Embedded, of_row: Tensor | None = None) -> Tensor:
        """What each candidate finds, float32 [n, d].

        Parameters:
            ad: the candidates' features.
            of_row: each candidate's row of `encoded`, int64 [n]; None: its own, or the only one.
        """
        vectors = ad.vectors.flatten(1)
        by_vectors, by_numbers = torch.split(self.query.T, [vectors.shape[1], ad.numbers.shape[1]])
        # Two products: to join the features for one costs more.
        query = torch.addmm(vectors @ by_vectors, ad.numbers, by_numbers)
        # Once an action, not once a candidate: the scale, and the 0 where there is none.
        keys = (encoded.actions / math.sqrt(self.width)).transpose(1, 2)
        value = F.linear(encoded.actions, self.value) * encoded.some.unsqueeze(2)
        if len(value) == 1:
            return torch.addmm(encoded.penalty, query, keys[0]).softmax(1) @ value[0]
        penalty = encoded.penalty
        if of_row is not None:
            keys, value, penalty = (part.index_select(0, of_row) for part in (keys, value, penalty))
        score = torch.baddbmm(penalty.unsqueeze(1), query.unsqueeze(1), keys)
        return torch.bmm(score.softmax(2), value).squeeze(1)

    def _by_length(self, vectors: Tensor, age: Tensor, penalty: Tensor) -> Tensor:
        """`_actions` of several users, the few with long sequences apart from the many with short ones."""
        places = penalty.shape[1]
        length = ((penalty == 0) * torch.arange(places, 0, -1, device=age.device)).amax(1).clamp(min=1)
        order = length.argsort(stable=True)
        parts = []
        for rows in order.chunk(GROUPS):
            most = int(length[rows[-1]])
            x = self._actions(vectors[rows, -most:], age[rows, -most:], penalty[rows, -most:])
            parts.append(F.pad(x, (0, 0, places - most, 0)))
        return torch.cat(parts).index_select(0, order.argsort())

    def _actions(self, vectors: Tensor, age: Tensor, penalty: Tensor) -> Tensor:
        """The transformer's outputs, float32 [r, L, d]; of padding, numbers that mean nothing."""
        knots = len(self.age)
        step = age.clamp(0.0, OLDEST) * ((knots - 1) / OLDEST)
        near = F.relu(1.0 - (step.unsqueeze(2) - torch.arange(knots, device=age.device)).abs())
        x = F.linear(vectors.flatten(2), self.action) + near @ self.age
        for layer in self.layers:
            x = layer(x, penalty)
        return cast(Tensor, self.norm(x))
