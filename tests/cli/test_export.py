"""photism export: what it prints, and mistakes on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from photism.cli.app import app
from photism.export import onnx_export
from photism.export.onnx_export import ExportedModel


def export(*arguments):
    return CliRunner().invoke(app, ["export", *arguments])


@pytest.fixture
def calls(monkeypatch):
    """Replace the export, and return the list of its arguments."""
    calls = []

    def export_onnx(model, output, **settings):
        calls.append((model, output, settings))
        return ExportedModel(Path(output), "Wav2Vec2BertForCTC", ("input_values",), ("logits",), 1_250_000, 2.5e-7)

    monkeypatch.setattr(onnx_export, "export_onnx", export_onnx)
    return calls


def test_settings_are_passed_on_and_the_result_is_printed(calls):
    result = export("model", "-o", "a.onnx", "--dtype", "int8", "--opset", "21", "--log-mel", "--force")
    assert result.exit_code == 0, result.output
    settings = {"dtype": "int8", "opset": 21, "log_mel": True, "onnx_asr": False, "force": True}
    assert calls == [("model", "a.onnx", settings)]
    assert result.stdout.splitlines() == [
        "a.onnx (1.2 MB): Wav2Vec2BertForCTC, input_values -> logits",
        "Largest difference from torch in float32: 2.5e-07",
    ]


def test_json(calls):
    assert json.loads(export("model", "-o", "a.onnx", "--json").stdout) == {
        "path": "a.onnx",
        "model": "Wav2Vec2BertForCTC",
        "inputs": ["input_values"],
        "outputs": ["logits"],
        "size_bytes": 1_250_000,
        "difference": 2.5e-7,
    }


def test_mistakes_name_the_flag(calls):
    for message, arguments in (
        ("--dtype must be one of float32, float16, int8; got bfloat16", ("--dtype", "bfloat16")),
        ("--opset must be at least 18 and at most 23; got 30", ("--opset", "30")),
        ("--onnx-asr needs --dtype float32 or int8", ("--onnx-asr", "--dtype", "float16")),
    ):
        result = export("model", "-o", "a.onnx", *arguments)
        assert message in str(result.exception)
    assert calls == []
