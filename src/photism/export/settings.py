"""Settings of `photism export`."""

from __future__ import annotations

from photism.extras import require
from photism.settings import SettingError, setting, settings

FLOAT16, INT8 = "float16", "int8"
DTYPES = ("float32", FLOAT16, INT8)
"""Data types that onnxruntime computes in on a CPU; it has hardly an operator for bfloat16."""


@settings(group="output")
class ExportSettings:
    """Settings of an export to ONNX."""

    dtype: str = setting(
        "float32",
        "Data type of the weights. int8 quantises the linear layers, for the CPU; inputs and outputs stay float32.",
        choices=DTYPES,
    )
    opset: int = setting(20, "Version of ONNX's operators.", minimum=18, maximum=23)
    log_mel: bool = setting(
        False, "Include the log-mel features: the model takes samples at 16 kHz in place of features."
    )
    onnx_asr: bool = setting(
        False, "Write a folder that the package onnx-asr loads, of a CTC model with --log-mel and its vocabulary."
    )

    def check(self) -> None:
        """Check that the settings fit together.

        Raises:
            SettingError: onnx-asr cannot read the model.
        """
        if self.onnx_asr and self.dtype == FLOAT16:
            raise SettingError("onnx_asr", "needs {} float32 or int8, which the package has names for", "dtype")

    @property
    def takes_samples(self) -> bool:
        """True if the model takes samples."""
        return self.log_mel or self.onnx_asr


def check_libraries() -> None:
    """Check that what an export needs is installed.

    Raises:
        InputError: it is not.
    """
    for library in ("onnx", "onnxruntime", "onnxscript"):
        require(library, "an export to ONNX", "export")
