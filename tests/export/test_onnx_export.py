"""ONNX files of every head: their inputs and outputs, their values in onnxruntime, and their metadata."""

import json
import sys

import onnx
import onnxruntime
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

import photism
from photism import InputError
from photism.audio.log_mel import log_mel
from photism.export import onnx_export
from photism.export.onnx_export import export_onnx
from photism.settings import SettingError
from tests.support.classifiers import LABELS, make_classifier
from tests.support.speaker_models import make_speaker_model

LENGTHS = (7000, 24_000, 900)


@pytest.fixture(scope="module")
def waveforms():
    generator = torch.Generator().manual_seed(7)
    return [0.1 * torch.randn(length, generator=generator) for length in LENGTHS]


def make_model(name, folder):
    if name == "ForSequenceClassification":
        return make_classifier(folder, "bert-sum")
    if name in ("ForXVector", "ForAudioFrameClassification"):
        return make_speaker_model(folder, name.removeprefix("For"), position_embeddings_type="rotary")
    photism.Wav2Vec2BertModel.from_pretrained(make_classifier(folder, "bert")).save_pretrained(folder)
    return folder


def run(path, inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    found = session.run(None, dict(zip(names, (tensor.numpy() for tensor in inputs), strict=True)))
    return {each.name: torch.from_numpy(array) for each, array in zip(session.get_outputs(), found, strict=True)}


@pytest.mark.parametrize(
    ("name", "settings", "tolerance"),
    [
        pytest.param("ForXVector", {"log_mel": True}, 1e-4, marks=pytest.mark.slow),
        pytest.param("Model", {"opset": 18}, 1e-4, marks=pytest.mark.slow),
        pytest.param("ForSequenceClassification", {"dtype": "float16", "log_mel": True}, 1e-2, marks=pytest.mark.slow),
        pytest.param("ForAudioFrameClassification", {"dtype": "int8", "opset": 23}, 0.1, marks=pytest.mark.slow),
    ],
)
def test_heads(name, settings, tolerance, waveforms, tmp_path):
    folder = make_model(name, tmp_path / "model")
    exported = export_onnx(folder, tmp_path / "model.onnx", **settings)
    model = getattr(photism, f"Wav2Vec2Bert{name}").from_pretrained(folder).eval()
    features, mask = log_mel(waveforms)
    samples = pad_sequence(waveforms, batch_first=True), torch.tensor(LENGTHS)
    found = run(exported.path, samples if settings.get("log_mel") else (features, mask.long()))
    assert tuple(found) == exported.outputs
    lengths = found.pop("output_lengths", None)
    assert lengths is None or torch.equal(lengths, mask.sum(1))
    with torch.no_grad():
        wanted = model(features, attention_mask=mask)
    for key, tensor in found.items():
        assert tensor.dtype == torch.float32
        valid = slice(None) if lengths is None else mask.bool()
        assert (tensor[valid] - wanted[key][valid]).abs().max() <= tolerance * wanted[key].abs().max()
    written = onnx.load(exported.path)
    assert written.opset_import[0].version == settings.get("opset", 20)
    assert exported.size_bytes == exported.path.stat().st_size
    assert exported.difference <= tolerance
    metadata = {entry.key: entry.value for entry in written.metadata_props}
    assert metadata["model"] == f"Wav2Vec2Bert{name}"
    assert (metadata["sampling_rate"], metadata["frame_s"]) == ("16000", "0.02")
    assert metadata["photism_version"] == photism.__version__
    if name == "ForSequenceClassification":
        assert tuple(json.loads(metadata["labels"])) == LABELS


@pytest.mark.slow
def test_prompt_encoder(models, waveforms, tmp_path):
    exported = export_onnx(models / "xl", tmp_path / "draw.onnx", log_mel=True)
    encoder = photism.AudioPromptEncoder.from_pretrained(models / "xl")
    wanted = encoder.encode([photism.load_waveform(each.numpy(), sampling_rate=16_000) for each in waveforms])
    found = run(exported.path, (pad_sequence(waveforms, batch_first=True), torch.tensor(LENGTHS)))
    assert tuple(found) == ("prompt_embeds", "pooled_prompt_embeds")
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, getattr(wanted, key), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_large_weights_are_a_second_file(waveforms, tmp_path, monkeypatch):
    monkeypatch.setattr("photism.export.onnx_file.EXTERNAL_DATA_BYTES", 1000)
    folder = make_model("Model", tmp_path / "model")
    target = tmp_path / "model.onnx"
    features, mask = log_mel(waveforms)
    for dtype in ("float32", "int8"):
        exported = export_onnx(folder, target, dtype=dtype, force=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.onnx", "model.onnx.data"]
        assert exported.size_bytes == sum(path.stat().st_size for path in tmp_path.glob("model.onnx*"))
        assert run(target, (features, mask.long()))["last_hidden_state"].isfinite().all()
    monkeypatch.undo()
    export_onnx(folder, target, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.onnx"]


@pytest.fixture
def no_weights(monkeypatch):
    monkeypatch.setattr(onnx_export, "recordings", lambda: pytest.fail("loaded a model"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return make_classifier(tmp_path_factory.mktemp("classifier") / "bert", "bert")


@pytest.mark.usefixtures("no_weights")
def test_mistakes_are_found_before_weights_are_loaded(classifier, tmp_path, monkeypatch):
    (tmp_path / "there.onnx").touch()
    (tmp_path / "there").mkdir()
    target = tmp_path / "new.onnx"
    other = make_classifier(tmp_path / "wavlm", "wavlm")
    (tmp_path / "pretraining").mkdir()
    config = {"model_type": "wav2vec2-bert", "architectures": ["Wav2Vec2BertForPreTraining"]}
    (tmp_path / "pretraining" / "config.json").write_text(json.dumps(config))
    for message, model, output, settings in (
        ("there.onnx exists; give another name with -o, or --force", classifier, tmp_path / "there.onnx", {}),
        ("is a folder; give the name of a file", classifier, tmp_path / "there", {}),
        ("the folder .*/none does not exist", classifier, tmp_path / "none/a.onnx", {}),
        ("has no config.json", tmp_path / "there", target, {}),
        ("has model_type 'wavlm'; only Wav2Vec2-BERT", other, target, {}),
        ("is a Wav2Vec2BertForPreTraining; only", tmp_path / "pretraining", target, {}),
        ("onnx-asr needs a Wav2Vec2BertForCTC", classifier, tmp_path / "asr", {"onnx_asr": True}),
        ("is a file; onnx-asr needs a folder", classifier, tmp_path / "there.onnx", {"onnx_asr": True}),
        ("is the folder of the model", classifier, classifier, {"onnx_asr": True}),
        ("phonetic adapter, whose search through a lexicon is no graph", "tiny", target, {}),
        ("dtype must be one of float32, float16, int8; got bfloat16", classifier, target, {"dtype": "bfloat16"}),
        ("opset must be at least 18 and at most 23; got 17", classifier, target, {"opset": 17}),
        ("onnx_asr needs dtype float32 or int8", classifier, target, {"onnx_asr": True, "dtype": "float16"}),
    ):
        with pytest.raises(InputError, match=message):
            export_onnx(model, output, **settings)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match="an export to ONNX needs onnxscript, which is not installed: pip install"):
        export_onnx(classifier, target)
    assert not target.exists()


@pytest.mark.parametrize("difference", [0.6, float("inf"), float("nan")])
def test_a_file_that_computes_something_else_is_not_written(difference, classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "write_onnx", lambda _, __, path, **___: path.touch())
    monkeypatch.setattr(onnx_export, "largest_difference", lambda *_: difference)
    target = tmp_path / "model.onnx"
    target.write_text("kept")
    with pytest.raises(SettingError, match="dtype must be float32 for this model: in int8, the outputs"):
        export_onnx(classifier, target, force=True, dtype="int8")
    with pytest.raises(RuntimeError, match="differ from torch"):
        export_onnx(classifier, target, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert target.read_text() == "kept"
