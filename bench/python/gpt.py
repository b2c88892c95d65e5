"""A GPT-2 shaped language model in plain PyTorch, the peer that Quern's training speed is measured against.

Token and learned position embeddings, pre-norm blocks of causal attention (torch's scaled_dot_product_attention) and a
GELU feed-forward layer four times as wide, a last norm, and a head that shares the token embedding's weight. No dropout.
Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

INIT_STD = 0.02


@dataclass(frozen=True)
class Shape:
    """What decides the sizes of a model. approximate_gelu: the tanh form, as in GPT-2's first code."""

    vocab_size: int
    context: int
    layers: int
    heads: int
    width: int
    bias: bool = False
    approximate_gelu: bool = False


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)); x is [B, T, width]."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.gelu = "tanh" if shape.approximate_gelu else "none"
        self.attention_norm = nn.LayerNorm(shape.width, bias=shape.bias)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=shape.bias)
        self.attention_out = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.feed_forward_norm = nn.LayerNorm(shape.width, bias=shape.bias)
        self.feed_forward_in = nn.Linear(shape.width, 4 * shape.width, bias=shape.bias)
        self.feed_forward_out = nn.Linear(4 * shape.width, shape.width, bias=shape.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        joint = self.query_key_value(self.attention_norm(x))
        query, key, value = joint.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))
        inner = F.gelu(self.feed_forward_in(self.feed_forward_norm(x)), approximate=self.gelu)
        return x + self.feed_forward_out(inner)


class Gpt(nn.Module):
    """forward(ids [B, T], targets [B, T]) gives the mean cross-entropy in nats."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.tokens = nn.Embedding(shape.vocab_size, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.last_norm = nn.LayerNorm(shape.width, bias=shape.bias)
        residual_std = INIT_STD / (2 * shape.layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=residual_std if name.endswith("_out.weight") else INIT_STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.last_norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def decayed_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Parameter groups for AdamW: decay on matrices, none on norms and biases."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
