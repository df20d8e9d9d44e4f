"""What libraries report to the compiler of torch."""

from types import SimpleNamespace
from typing import Any

from torch import nn

from photism.deferred_imports.compiler_reports import CompilerReports


def test_reports_reach_the_compiler_before_and_after_its_import():
    reports, reported = CompilerReports(), list[Any]()
    compiler = SimpleNamespace(allow_in_graph=reported.append, assume_constant_result=reported.append)
    assert reports.allow_in_graph(int) is int
    assert reported == []
    reports.deliver(compiler)
    assert reports.assume_constant_result(float) is float
    assert reported == [int, float]


def test_no_model_is_compiled_before_the_compiler_is_imported():
    assert not isinstance(nn.Linear(1, 1), CompilerReports().eval_frame.OptimizedModule)
