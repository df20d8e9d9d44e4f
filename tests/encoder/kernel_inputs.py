"""Inputs of the attention kernels of a GPU, and the exact result.

    TRITON_INTERPRET=1 python -m tests.encoder.kernel_inputs

runs the Triton kernel in Triton's interpreter, which needs no GPU, and prints the largest difference.
"""

import json

import torch
from torch import Tensor

from photism.encoder.gpu_attention import DistanceBiases
from photism.encoder.packing import PackedBatch

HEADS, SIZE, LEFT, RIGHT = 2, 16, 9, 4
LENGTHS = {"equal": (150, 150), "packed": (7, 130, 1, 299, 65)}
"""Tokens of each clip: fewer than a tile of the kernels and more, and ends within a tile."""


def make_inputs(
    lengths: tuple[int, ...], *, biased: bool, dtype: torch.dtype, device: str = "cpu"
) -> tuple[Tensor, Tensor, Tensor, DistanceBiases | None, PackedBatch]:
    """Return queries, keys and values (N, H, d), biases and the batch."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(3, sum(lengths), HEADS, SIZE, generator=generator)
    values = 3 * torch.randn(sum(lengths), HEADS, LEFT + 1 + RIGHT, generator=generator)
    query, key, value = tokens.to(device, dtype).unbind()
    biases = DistanceBiases(values.to(device, dtype), LEFT) if biased else None
    packed = PackedBatch(len(lengths), max(lengths), lengths if len(set(lengths)) > 1 else None)
    return query, key, value, biases, packed


def attend_exactly(
    query: Tensor, key: Tensor, value: Tensor, biases: DistanceBiases | None, packed: PackedBatch
) -> Tensor:
    """Attend clip by clip with the matrix of all logits, in float64."""
    attended, start = [], 0
    for length in packed.clip_lengths:
        clip = slice(start, start + length)
        start += length
        q, k, v = (tokens[clip].transpose(0, 1).double() for tokens in (query, key, value))  # (H, L, d)
        logits = q @ k.transpose(1, 2) / SIZE**0.5
        if biases is not None:
            place = torch.arange(length, device=query.device)
            columns = (place - place[:, None]).clamp(-biases.left, biases.right) + biases.left
            logits += biases.values[clip].transpose(0, 1).double().gather(2, columns.expand_as(logits))
        attended.append((logits.softmax(-1) @ v).transpose(0, 1))
    return torch.cat(attended)


def main() -> None:
    from photism.encoder.triton_attention import attend_by_triton

    differences = {}
    for name, lengths in LENGTHS.items():
        for biased in (True, False):
            inputs = make_inputs(lengths, biased=biased, dtype=torch.float32)
            differences[f"{name}, biased: {biased}"] = float(
                (attend_by_triton(*inputs) - attend_exactly(*inputs)).abs().max()
            )
    print(json.dumps(differences))


if __name__ == "__main__":
    main()
