"""A small transformer encoder that guesses masked tokens (BERT: Devlin et al., NAACL 2019), on sequences of any length.

Sequences are packed, one after the other without padding, so that a rank's time follows its tokens; only attention
looks at them one by one. Padded, every sequence is as long as the longest of its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from kernels.training.balancing.assignment import LONGEST

HEADS = 4
MASK = 0


class Encoder(nn.Module):
    """Tokens, int64 [T], of sequences with these lengths, to logits [T, vocabulary]; T is the sum of the lengths."""

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(LONGEST, width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        # as BERT starts: the logits multiply with these too, and would be far from flat otherwise
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, tokens: Tensor, lengths: list[int]) -> Tensor:
        """The logits share their weights with the tokens' embedding."""
        places = torch.cat([torch.arange(length, device=tokens.device) for length in lengths])
        values = self.tokens(tokens) + self.positions(places)
        for layer in self.layers:
            values = layer(values, lengths)
        return functional.linear(self.norm(values), self.tokens.weight)


class _Layer(nn.Module):
    """Attention within each sequence, then two linear layers, each around a residual; [T, width] to [T, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.before_expansion = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, values: Tensor, lengths: list[int]) -> Tensor:
        heads = self.attend(self.before_attention(values)).unflatten(1, (3, HEADS, -1)).permute(1, 2, 0, 3)
        parts = (functional.scaled_dot_product_attention(*part) for part in heads.split(lengths, dim=2))
        values = values + self.project(torch.cat(list(parts), dim=1).transpose(0, 1).flatten(1))
        return values + self.contract(functional.gelu(self.expand(self.before_expansion(values))))


def masked_loss(encoder: Encoder, tokens: Tensor, lengths: list[int], masked: Tensor, count: int) -> Tensor:
    """This rank's share of the mean cross-entropy of ``count`` masked tokens over all ranks, a scalar.

    ``masked``, bool [T], says which tokens the encoder does not see and has to guess.
    """
    logits = encoder(torch.where(masked, MASK, tokens), lengths)
    return functional.cross_entropy(logits[masked], tokens[masked], reduction="sum") / count


def count_flops(encoder: Encoder, tokens: float, pairs: float) -> float:
    """Operations of a forward and backward pass: 6 a weight and token, 12 · width a pair of tokens in attention.

    After Kaplan et al., arXiv 2001.08361, section 2.1; ``pairs`` is the sum of the squared lengths. The embeddings are
    looked up, and the tokens' weights multiply once, in the logits; norms and activations are left out.
    """
    weights = sum(value.numel() for value in encoder.layers.parameters() if value.dim() == 2)
    weights += encoder.tokens.weight.numel()
    return 6 * weights * tokens + 12 * encoder.norm.normalized_shape[0] * len(encoder.layers) * pairs
