"""Convolutions of 3×3 positions by Winograd's minimal filtering, with a quarter of the multiplications.

A tile of 4×4 outputs depends on 6×6 inputs. Both are values of polynomials: the tile is the product of the inputs' and
the kernel's, which is computed by its values at 5 points and at infinity along each axis. With matrices that depend on
the points alone, a tile Y of an output channel is

    Y = Aᵀ · Σ_channels [(G · g · Gᵀ) ⊙ (Bᵀ · d · B)] · A        g: kernel (3, 3), d: inputs (6, 6)

so that 36 multiplications replace 144, in 36 products of matrices (tiles, in) · (in, out). The sum over the channels
stays the larger part of the work from about 64 channels on.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016). The points are 0, ±1/√2 and ±√2;
with those of the paper, 0, ±1 and ±2, the largest rounding error is six times as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

import torch
from torch import Tensor
from torch.nn.functional import pad

TILE = 4
"""Outputs of a tile along an axis."""
KERNEL = 3
PATCH = TILE + KERNEL - 1
"""Inputs of a tile along an axis, and the number of points."""
POINTS = (0.0, 1 / sqrt(2), -1 / sqrt(2), sqrt(2), -sqrt(2))
"""Points at which polynomials are evaluated, besides infinity."""
TILES_AT_ONCE = 256
"""Tiles that are computed at once: few enough for their values to stay in the caches."""


def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Return A (6, 4), B (6, 6) and G (6, 3)."""
    outputs = [[point**power for power in range(TILE)] for point in POINTS] + [[0.0] * (TILE - 1) + [1.0]]
    inputs, kernels = [], []
    for point in POINTS:
        others = [other for other in POINTS if other != point]
        scale = prod(point - other for other in others)
        inputs.append([*_coefficients(others), 0.0])
        kernels.append([point**power / scale for power in range(KERNEL)])
    inputs.append(_coefficients(POINTS))
    kernels.append([0.0] * (KERNEL - 1) + [1.0])
    return _matrix(outputs), _matrix(inputs), _matrix(kernels)


def _matrix(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64, device="cpu")


def _coefficients(roots: Sequence[float]) -> list[float]:
    """Return the coefficients of a polynomial with these roots, from that of the lowest power."""
    coefficients = [1.0]
    for root in roots:
        shifted, scaled = [0.0, *coefficients], [*(-root * value for value in coefficients), 0.0]
        coefficients = [one + other for one, other in zip(shifted, scaled, strict=True)]
    return coefficients


_A, _B, _G = _matrices()
# Along both axes at once: a Kronecker product for the values of a tile as one vector.
_OUTPUT = torch.kron(_A, _A).T.float().contiguous()  # (16, 36)
_INPUT = torch.kron(_B, _B).float().contiguous()  # (36, 36)
_KERNEL = torch.kron(_G, _G).float().contiguous()  # (36, 9)


def transform_weight(weight: Tensor) -> Tensor:
    """Evaluate the kernels at the points: (out, in, 3, 3) -> (36, out, in)."""
    kernels = weight.reshape(-1, KERNEL**2).T  # (out, in, 3, 3) -> (9, out · in)
    return (_KERNEL @ kernels).view(PATCH**2, *weight.shape[:2])


def conv3x3(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute a convolution of stride 1 that keeps the size.

    Args:
        image: (B, in, H, W), float32 on the CPU.
        weight: (36, out, in), from `transform_weight`.
        bias: (out,), or None.

    Returns:
        (B, out, H, W) with channels last in memory.
    """
    batch, _, height, width = image.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    margin = (PATCH - TILE) // 2
    right, bottom = columns * TILE - width, rows * TILE - height
    # (B, in, H, W) -> (B, H, W, in), with zeros around
    padded = pad(image.permute(0, 2, 3, 1), (0, 0, margin, margin + right, margin, margin + bottom)).contiguous()
    output = image.new_empty(batch, rows, TILE, columns, TILE, weight.shape[1])
    rows_at_once = min(rows, max(1, TILES_AT_ONCE // columns))
    items_at_once = min(batch, max(1, TILES_AT_ONCE // (rows * columns)))
    buffers = _Buffers(weight, items_at_once * rows_at_once * columns)
    for first in range(0, batch, items_at_once):
        items = slice(first, first + items_at_once)
        for start in range(0, rows, rows_at_once):
            stop = min(start + rows_at_once, rows)
            band = padded[items, start * TILE : stop * TILE + PATCH - TILE]
            _convolve_tiles(band, weight, bias, output[items, start:stop], buffers)
    # (B, rows, 4, columns, 4, out) -> (B, out, H, W)
    return output.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2)


class _Buffers:
    """Memory that is used again for the next tiles: new memory would have to be mapped by the system each time."""

    def __init__(self, weight: Tensor, tiles: int) -> None:
        _, out_channels, in_channels = weight.shape
        self.patches, self.inputs = (weight.new_empty(PATCH**2 * tiles * in_channels) for _ in range(2))
        self.products = weight.new_empty(PATCH**2 * tiles * out_channels)
        self.tiles = weight.new_empty(TILE**2 * tiles * out_channels)


def _convolve_tiles(band: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor, buffers: _Buffers) -> None:
    """Convolve tiles of some rows.

    Args:
        band: (B, rows · 4 + 2, columns · 4 + 2, in).
        weight: (36, out, in).
        bias: (out,), or None.
        output: (B, rows, 4, columns, 4, out), which is written.
        buffers: memory for the steps between.
    """
    batch, rows, _, columns, _, out_channels = output.shape
    in_channels, count = band.shape[3], batch * rows * columns
    item, row, column, _ = band.stride()
    shape = (PATCH, PATCH, batch, rows, columns, in_channels)
    patches = _part(buffers.patches, shape)
    patches.copy_(band.as_strided(shape, (row, column, item, TILE * row, TILE * column, 1)))
    inputs = _part(buffers.inputs, (PATCH**2, count, in_channels))
    torch.mm(_INPUT, patches.view(PATCH**2, -1), out=inputs.view(PATCH**2, -1))
    products = _part(buffers.products, (PATCH**2, count, out_channels))
    torch.bmm(inputs, weight.transpose(1, 2), out=products)  # (36, tiles, in) · (36, in, out)
    tiles = _part(buffers.tiles, (TILE, TILE, batch, rows, columns, out_channels))
    torch.mm(_OUTPUT, products.view(PATCH**2, -1), out=tiles.view(TILE**2, -1))
    tiles = tiles.permute(2, 3, 0, 4, 1, 5)  # (4, 4, B, rows, columns, out) -> (B, rows, 4, columns, 4, out)
    if bias is None:
        output.copy_(tiles)
    else:
        torch.add(tiles, bias, out=output)


def _part(buffer: Tensor, shape: tuple[int, ...]) -> Tensor:
    return buffer[: prod(shape)].view(shape)
