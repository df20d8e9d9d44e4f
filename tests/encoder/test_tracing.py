"""Graphs of the models: torch.export and transformers' exporters, and forward passes on meta and fake tensors."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim
from transformers.exporters.exporter_dynamo import DynamoConfig, DynamoExporter
from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

from photism.encoder.tracing import has_values
from tests.encoder.reference import CLASSES, POSITIONS, TOLERANCE, batch, difference, pair

TRACED = (9, 5)  # lengths of the recordings that a graph is made from
OTHERS = ((30, 12, 21), (4,))  # another batch and another length; the second is shorter than the positions reach
KINDS = [
    ("ForXVector", {"position_embeddings_type": "relative"}),
    ("ForCTC", {"position_embeddings_type": "rotary"}),
    ("Model", {"position_embeddings_type": "relative_key", "add_adapter": True}),
    ("Model", {"position_embeddings_type": "relative"}),
    ("ForSequenceClassification", {"position_embeddings_type": None, "use_weighted_layer_sum": True}),
    ("ForAudioFrameClassification", {"position_embeddings_type": "relative_key"}),
    ("ForXVector", {"position_embeddings_type": "rotary"}),
]


def inputs(lengths, *, masked=True):
    features, mask = batch(lengths)
    return {"input_features": features, "attention_mask": mask} if masked else {"input_features": features}


@pytest.mark.parametrize(
    ("name", "changes", "masked", "strict", "dynamic"),
    [
        (*KINDS[1], True, False, True),
        *(pytest.param(*kind, True, False, True, marks=pytest.mark.slow) for kind in (KINDS[0], *KINDS[2:])),
        pytest.param(*KINDS[1], False, False, True, marks=pytest.mark.slow),
        pytest.param(*KINDS[0], False, True, True, marks=pytest.mark.slow),
        pytest.param(*KINDS[0], True, True, False, marks=pytest.mark.slow),
    ],
)
def test_export(name, changes, masked, strict, dynamic):
    ours, reference = pair(name, num_hidden_layers=1, **changes)
    traced = inputs(TRACED, masked=masked)
    axes = {key: {0: Dim.DYNAMIC, 1: Dim.DYNAMIC} for key in traced} if dynamic else None
    with torch.no_grad():
        graph = torch.export.export(ours, (), traced, dynamic_shapes=axes, strict=strict).module()
        for lengths in OTHERS if dynamic else (TRACED,):
            given = inputs(lengths, masked=masked)
            found, wanted = graph(**given)[0], ours(**given)[0]
            assert difference(found, wanted) <= TOLERANCE[torch.float32]
            if name != "ForXVector" and not changes.get("add_adapter"):  # transformers' results depend on the padding
                valid = given["attention_mask"].bool() if masked and found.ndim == 3 else slice(None)
                assert difference(found[valid], reference(**given)[0][valid]) <= 10 * TOLERANCE[torch.float32]


@pytest.mark.slow
def test_transformers_dynamo_exporter():
    ours, _ = pair("ForXVector", num_hidden_layers=1)
    exported = DynamoExporter().export(ours, inputs(TRACED), config=DynamoConfig(dynamic=True))
    given = inputs(OTHERS[0])
    with torch.no_grad():
        assert difference(exported(**given)[0], ours(**given)[0]) <= TOLERANCE[torch.float32]


@pytest.mark.slow  # the graph of the test above, which tests/encoder/test_ecosystem.py converts as well
def test_transformers_onnx_exporter():
    ours, _ = pair("ForXVector", num_hidden_layers=1)
    exported = OnnxExporter().export(ours, inputs(TRACED), config=OnnxConfig(dynamic=True))
    given = inputs(OTHERS[0])
    with torch.no_grad():
        wanted = ours(**given)
    found = exported(**given)
    for key in ("logits", "embeddings"):
        assert difference(torch.from_numpy(np.asarray(found[key])), wanted[key]) <= 1e-4


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("name", [*CLASSES, "adapter"])
def test_shapes_without_values(name, positions, masked):
    changes = {"position_embeddings_type": positions, "num_hidden_layers": 1}
    if name == "adapter":
        name, changes = "Model", {**changes, "add_adapter": True}
    ours, _ = pair(name, **changes)
    given = inputs(TRACED, masked=masked)
    shape = ours(**given)[0].shape
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert ours(**{key: mode.from_tensor(value) for key, value in given.items()})[0].shape == shape
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert ours.to("meta")(**{key: value.to("meta") for key, value in given.items()})[0].shape == shape


def test_has_values():
    assert has_values(torch.ones(1), torch.ones(1))
    assert not has_values(torch.ones(1), torch.ones(1, device="meta"))
    with FakeTensorMode() as mode:
        assert not has_values(mode.from_tensor(torch.ones(1)))
    traced = []
    torch.jit.trace(lambda tensor: traced.append(has_values(tensor)) or tensor + 1, torch.ones(1), check_trace=False)
    assert traced == [False]
