"""Blocks as loops over plain numbers, straight from their formulas: what the fast ones must equal."""

import math

import numpy as np


def dot(weight, x, bias=None):
    """weight [out, in] times x [in], an element at a time."""
    return [
        sum(float(w) * float(v) for w, v in zip(row, x, strict=True))
        + (0.0 if bias is None else float(bias[i]))
        for i, row in enumerate(weight)
    ]


def relu(x):
    return [max(v, 0.0) for v in x]


def softmax(x):
    top = max(x)
    mass = [math.exp(v - top) for v in x]
    return [m / sum(mass) for m in mass]


def layer_norm(x, scale, shift, epsilon=1e-5):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return [
        (v - mean) / math.sqrt(variance + epsilon) * s + t for v, s, t in zip(x, scale, shift, strict=True)
    ]


def pairs(vectors):
    """sum_{i<j} v_i * v_j, elementwise."""
    total = [0.0] * len(vectors[0])
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            total = [t + float(a) * float(b) for t, a, b in zip(total, vectors[i], vectors[j], strict=True)]
    return total


def expert(x, first, first_bias, second, second_bias):
    """relu(W2' relu(W1 x + b1) + b2); first [hidden, in], second [hidden, out]."""
    hidden = relu(dot(first, x, first_bias))
    return relu(dot(second.T, hidden, second_bias))


def mix(gate, experts):
    share = softmax(gate)
    return [sum(g * e[o] for g, e in zip(share, experts, strict=True)) for o in range(len(experts[0]))]


def state(module):
    """The module's tensors as float64 arrays."""
    return {name: value.detach().numpy().astype(np.float64) for name, value in module.state_dict().items()}
