"""The implementations and block sizes by which float32 is computed on the CPU.

Which are fastest differs between CPUs. The defaults are good on those of benchmarks/README.md;
`photism.encoder.kernel_choice` measures the alternatives when a model of real size is loaded. Results are equal to
rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

ONEDNN, TORCH = "onednn", "torch"


@dataclass(frozen=True)
class Kernels:
    """A choice of implementations and block sizes.

    Attributes:
        products: library of the linear layers: "onednn", or "torch" for what torch calls itself, such as MKL.
        tokens_at_once: tokens at a time in a feed-forward network without gradients, so that its wide middle stays in
            the cache and in the same memory.
        attention: "onednn", which computes one head after the other, as is always done for gradients, or "torch", whose
            fused operator computes all heads at once.
        block_logits: logits of one head that are computed at once with "onednn", by default 2 MB.
        block_biases: position biases of all heads that are computed at once with "torch", by default 16 MB.
    """

    products: str = ONEDNN
    tokens_at_once: int = 256
    attention: str = ONEDNN
    block_logits: int = 1 << 19
    block_biases: int = 1 << 22


_current = [Kernels()]


def current_kernels() -> Kernels:
    """Return the kernels in use."""
    return _current[0]


def use_kernels(kernels: Kernels) -> None:
    """Use other kernels from now on, in all threads."""
    _current[0] = kernels
