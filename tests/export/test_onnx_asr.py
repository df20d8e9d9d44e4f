"""The layout of onnx-asr: its own decoder transcribes as Photism does, alone and in a batch."""

import json
from importlib.util import find_spec

import numpy as np
import onnx_asr
import onnxruntime
import pytest
from onnx_asr.asr import _AsrWithCtcDecoding
from onnx_asr.resolver import Resolver

from photism import InputError, Transcriber, load_waveform
from photism.export.onnx_asr import check_vocabulary
from photism.export.onnx_export import export_onnx
from photism.listening.transcription.vocabulary import Vocabulary
from tests.support.tiny_ctc import make_checkpoints


class LogProbabilities(_AsrWithCtcDecoding):
    """The contract of `wav2vec2-ctc`, which onnx-asr 0.12.0 does not include yet, on the classes of that release."""

    _preprocessor_name = "identity"

    def __init__(self, files, preprocessors, options):
        super().__init__(files, preprocessors, options)
        self.session = onnxruntime.InferenceSession(files["model"], providers=["CPUExecutionProvider"])

    @staticmethod
    def _get_model_files(quantization=None):
        return {"vocab": "vocab.txt", "model": f"model?{quantization}.onnx" if quantization else "model.onnx"}

    @property
    def _subsampling_factor(self):
        return self.config["subsampling_factor"]

    def _encode(self, waveforms, lengths):
        (found,) = self.session.run(["logprobs"], {"input_values": waveforms, "input_lengths": lengths})
        return found, np.minimum(lengths // self._subsampling_factor + 1, found.shape[1])


@pytest.fixture
def load_model(monkeypatch):
    if find_spec("onnx_asr.models.wav2vec2") is None:

        def resolve(model=None, local_dir=None, *, offline=None):
            return Resolver({"wav2vec2-ctc": LogProbabilities}, model, local_dir, offline=offline)

        monkeypatch.setattr("onnx_asr.loader.create_asr_resolver", resolve)
    return lambda folder, **settings: onnx_asr.load_model("wav2vec2-ctc", folder, **settings)


@pytest.mark.slow
def test_onnx_asr_transcribes_as_photism_does(load_model, tmp_path):
    make_checkpoints(tmp_path)
    model, folder = tmp_path / "w2v-bert-adapter", tmp_path / "asr"
    export_onnx(model, folder, onnx_asr=True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.onnx", "vocab.txt"]
    assert json.loads((folder / "config.json").read_text()) == {"model_type": "wav2vec2-ctc", "subsampling_factor": 4}
    assert (folder / "vocab.txt").read_text(encoding="utf8").splitlines()[:6] == [
        "<blk> 0", "<s> 1", "</s> 2", "<unk> 3", "▁ 4", "E 5",
    ]  # fmt: skip
    generator = np.random.default_rng(5)
    waveforms = [generator.standard_normal(length).astype(np.float32) / 8 for length in (16_000, 30_000, 5000)]
    recognizer = load_model(folder)
    transcriber = Transcriber.from_pretrained(model)
    wanted = [transcriber(load_waveform(each, sampling_rate=16_000)).text for each in waveforms]
    assert all(len(text) > 2 for text in wanted)
    assert recognizer.recognize(waveforms) == wanted
    assert [recognizer.recognize(each) for each in waveforms] == wanted
    times = recognizer.with_timestamps().recognize(waveforms[1]).timestamps
    assert 0 <= times[0] < times[-1] <= 30_000 / 16_000


def test_a_token_with_a_line_break_is_refused():
    with pytest.raises(InputError, match=r"the token '\\n' has a line break"):
        check_vocabulary(Vocabulary(("<pad>", "\n"), 0))
