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

from collections.abc import Iterator, Sequence
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
INPUT_BYTES = 16 * 2**20
"""Largest size of the inputs' values of the tiles that are computed at once: they stay in a cache of the CPU."""
WEIGHT_BYTES = 8 * 2**20
"""Largest size of the values of a block of kernels: they are used while they are in a cache, and not kept.

All of them would be four times as large as the weights, in memory that the system maps in each call, which takes
several times as long as computing them.
"""
KEPT_BYTES = 48 * 2**20
"""Largest size of the values of all kernels that are kept while the tiles are computed in several parts."""


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


def conv3x3(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute a convolution of stride 1 that keeps the size.

    Args:
        image: (B, in, H, W), float32 on the CPU.
        weight: (out, in, 3, 3).
        bias: (out,), or None.

    Returns:
        (B, out, H, W) with channels last in memory.
    """
    batch, channels, height, width = image.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    margin = (PATCH - TILE) // 2
    right, bottom = columns * TILE - width, rows * TILE - height
    # (B, in, H, W) -> (B, H, W, in), with zeros around
    padded = pad(image.permute(0, 2, 3, 1), (0, 0, margin, margin + right, margin, margin + bottom)).contiguous()
    output = image.new_empty(batch, rows, TILE, columns, TILE, len(weight))
    tiles_at_once = INPUT_BYTES // (PATCH**2 * channels * image.element_size())
    rows_at_once = min(rows, max(1, tiles_at_once // columns))
    items_at_once = min(batch, max(1, tiles_at_once // (rows * columns)))
    is_one_part = (rows_at_once, items_at_once) == (rows, batch)
    kernels = _Kernels(weight, bias, keep_bytes=WEIGHT_BYTES if is_one_part else KEPT_BYTES)
    buffers = _Buffers(kernels, items_at_once * rows_at_once * columns)
    for first in range(0, batch, items_at_once):
        items = slice(first, first + items_at_once)
        for start in range(0, rows, rows_at_once):
            stop = min(start + rows_at_once, rows)
            band = padded[items, start * TILE : stop * TILE + PATCH - TILE]
            _convolve_tiles(band, kernels, output[items, start:stop], buffers)
    # (B, rows, 4, columns, 4, out) -> (B, out, H, W)
    return output.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2)


class _Kernels:
    """The kernels' values at the points, by blocks of output channels."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, keep_bytes: int) -> None:
        self.weight, self.bias = weight, bias
        self.out_channels, self.in_channels = weight.shape[:2]
        bytes_per_channel = PATCH**2 * self.in_channels * weight.element_size()
        is_kept = self.out_channels * bytes_per_channel <= keep_bytes
        self.block_size = self.out_channels if is_kept else max(1, WEIGHT_BYTES // bytes_per_channel)
        self._values = weight.new_empty(PATCH**2 * self.block_size * self.in_channels)
        self._kept = self._evaluate(slice(None)) if is_kept else None

    def blocks(self) -> Iterator[tuple[slice, Tensor, Tensor | None]]:
        """Yield blocks of output channels, the values of each, (36, out, in), until the next one, and its bias."""
        for start in range(0, self.out_channels, self.block_size):
            channels = slice(start, start + self.block_size)
            values = self._evaluate(channels) if self._kept is None else self._kept
            yield channels, values, None if self.bias is None else self.bias[channels]

    def _evaluate(self, channels: slice) -> Tensor:
        kernels = self.weight[channels]
        values = _part(self._values, (PATCH**2, *kernels.shape[:2]))
        torch.mm(_KERNEL, kernels.reshape(-1, KERNEL**2).T, out=values.view(PATCH**2, -1))
        return values


class _Buffers:
    """Memory that is used again for the next tiles: new memory would have to be mapped by the system each time."""

    def __init__(self, kernels: _Kernels, tiles: int) -> None:
        new = kernels.weight.new_empty
        self.patches, self.inputs = (new(PATCH**2 * tiles * kernels.in_channels) for _ in range(2))
        self.products = new(PATCH**2 * tiles * kernels.block_size)
        self.tiles = new(TILE**2 * tiles * kernels.block_size)


def _convolve_tiles(band: Tensor, kernels: _Kernels, output: Tensor, buffers: _Buffers) -> None:
    """Convolve tiles of some rows.

    Args:
        band: (B, rows · 4 + 2, columns · 4 + 2, in).
        kernels: the weights and bias.
        output: (B, rows, 4, columns, 4, out), which is written.
        buffers: memory for the steps between.
    """
    batch, rows, _, columns, _, _ = output.shape
    in_channels, count = band.shape[3], batch * rows * columns
    item, row, column, _ = band.stride()
    shape = (PATCH, PATCH, batch, rows, columns, in_channels)
    patches = _part(buffers.patches, shape)
    patches.copy_(band.as_strided(shape, (row, column, item, TILE * row, TILE * column, 1)))
    inputs = _part(buffers.inputs, (PATCH**2, count, in_channels))
    torch.mm(_INPUT, patches.view(PATCH**2, -1), out=inputs.view(PATCH**2, -1))
    for channels, values, bias in kernels.blocks():
        out_channels = values.shape[1]
        products = _part(buffers.products, (PATCH**2, count, out_channels))
        torch.bmm(inputs, values.transpose(1, 2), out=products)  # (36, tiles, in) · (36, in, out)
        tiles = _part(buffers.tiles, (TILE, TILE, batch, rows, columns, out_channels))
        torch.mm(_OUTPUT, products.view(PATCH**2, -1), out=tiles.view(TILE**2, -1))
        tiles = tiles.permute(2, 3, 0, 4, 1, 5)  # (4, 4, B, rows, columns, out) -> (B, rows, 4, columns, 4, out)
        if bias is None:
            output[..., channels].copy_(tiles)
        else:
            torch.add(tiles, bias, out=output[..., channels])


def _part(buffer: Tensor, shape: tuple[int, ...]) -> Tensor:
    return buffer[: prod(shape)].view(shape)
