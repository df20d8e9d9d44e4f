"""Transcriber compared with transformers' pipeline; batches, padding and windows change no text."""

import statistics
import wave

import numpy as np
import pytest
import torch
import transformers

from photism import InputError, Transcriber, Waveform
from photism.audio.long_recording import load_recording
from photism.encoder.bfloat16 import multiplies_bfloat16
from photism.errors import RecordingWarning
from photism.listening.transcription import emissions
from photism.listening.transcription.decoding_options import TranscribeSettings
from tests.support.long_recordings import read_in_blocks
from tests.support.tiny_ctc import SPECIAL, TOKENS

KINDS = ("w2v-bert", "wav2vec2", "xlsr", "hubert")


@pytest.fixture(scope="module")
def transcribers(ctc_checkpoints):
    return {name: Transcriber.from_pretrained(ctc_checkpoints / name) for name in (*KINDS, "w2v-bert-adapter")}


@pytest.fixture
def recordings(speech):
    """Recordings of different lengths: speech, noise, and two segments of the speech."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    return [speech, noise, speech[:9000], speech[4000:4560]]


def pipeline_of(folder):
    return transformers.pipeline(
        "automatic-speech-recognition",
        model=transformers.AutoModelForCTC.from_pretrained(folder),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
        feature_extractor=transformers.AutoFeatureExtractor.from_pretrained(folder),
    )


def times(items):
    return [(item.text, item.start_s, item.end_s) for item in items]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_and_times_match_the_pipeline(ctc_checkpoints, transcribers, recordings, kind):
    peer = pipeline_of(ctc_checkpoints / kind)
    for samples in recordings[:3]:
        transcript = transcribers[kind]({"raw": samples, "sampling_rate": 16_000})
        words = peer({"raw": samples.copy(), "sampling_rate": 16_000}, return_timestamps="word")
        assert transcript.text == " ".join(words["text"].split())
        assert len(transcript.text) > 5
        theirs = [(each["text"], *map(float, each["timestamp"])) for each in words["chunks"]]
        assert times(transcript.words) == [(text, pytest.approx(a), pytest.approx(b)) for text, a, b in theirs]
        characters = peer({"raw": samples.copy(), "sampling_rate": 16_000}, return_timestamps="char")["chunks"]
        theirs = [(each["text"], *map(float, each["timestamp"])) for each in characters if each["text"] != " "]
        ours = times(character for word in transcript.words for character in word.characters)
        assert ours == [(text, pytest.approx(a), pytest.approx(b)) for text, a, b in theirs]


@pytest.mark.parametrize("kind", [*KINDS, "w2v-bert-adapter"])
@pytest.mark.parametrize("beams", [1, 5])
def test_a_batch_changes_no_text_time_or_confidence(transcribers, recordings, kind, beams):
    transcriber = transcribers[kind]
    alone = [transcriber(samples, beams=beams) for samples in recordings]
    together = list(transcriber(recordings, beams=beams, batch_size=4))
    for one, other in zip(alone, together, strict=True):
        assert times(one.words) == times(other.words)
        assert [word.confidence for word in one.words] == pytest.approx([w.confidence for w in other.words], abs=1e-4)
        assert all(0 < word.confidence <= 1 for word in one.words)
        assert all(word.end_s <= one.duration_s for word in one.words)
    assert sum(bool(one.words) for one in alone) >= 3


def test_the_callers_row_is_not_changed(transcribers, speech):
    row = {"array": speech.copy(), "sampling_rate": 16_000}
    transcribers["wav2vec2"](row)
    assert row.keys() == {"array", "sampling_rate"}
    np.testing.assert_array_equal(row["array"], speech)


def test_files_rows_and_generators_are_transcribed(transcribers, speech, tmp_path):
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((speech[::2] * 32767).astype("<i2").tobytes())
    transcriber = transcribers["w2v-bert"]
    one = transcriber(path)
    assert one.text
    rows = ({"audio": {"bytes": None, "path": str(path)}} for _ in range(2))
    assert [each.text for each in transcriber(rows)] == [one.text, one.text]
    skipped = []
    recordings = [path, "gone.wav", path]
    found = transcriber.transcribe(recordings, on_error=lambda number, error: skipped.append((number, str(error))))
    assert [number for number, _ in found] == [0, 2]
    assert skipped[0][0] == 1
    assert "no such file" in skipped[0][1]


def test_special_tokens_are_not_in_the_text(ctc_checkpoints, speech):
    transcriber = Transcriber.from_pretrained(ctc_checkpoints / "wav2vec2")
    transcriber.acoustic_model.model.lm_head.bias.data[list(SPECIAL)] = 1000.0
    for beams in (1, 5):
        text = transcriber(speech, beams=beams).text
        assert text
        assert not set(text) & set("<>")


@pytest.mark.parametrize("lower", [False, True])
def test_letters_have_the_case_of_the_tokenizer(ctc_checkpoints, speech, tmp_path, lower):
    import shutil

    folder = shutil.copytree(ctc_checkpoints / "wav2vec2", tmp_path / "copy")
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), do_lower_case=lower)
    tokenizer.save_pretrained(folder)
    text = Transcriber.from_pretrained(folder)(speech).text
    assert (text.islower(), text.isupper()) == (lower, not lower)


def without_attention(transcriber):
    """Zero the output of attention, so that a frame depends only on what the convolutions see."""
    for name, parameter in transcriber.acoustic_model.model.named_parameters():
        if "attention.out_proj" in name or "self_attn.linear_out" in name:
            parameter.data.zero_()
    return transcriber


@pytest.mark.parametrize("kind", ["w2v-bert", "xlsr", "w2v-bert-adapter"])
def test_windows_are_joined_exactly(ctc_checkpoints, speech, kind):
    """Check that windows give the results of the whole if their edges do not influence their middle."""
    transcriber = without_attention(Transcriber.from_pretrained(ctc_checkpoints / kind))
    model = transcriber.acoustic_model
    waveform = Waveform(np.tile(speech, 14)[: 16_000 * 15 + 123])
    (whole,) = model.emit([waveform])
    progress_s = []
    windowed = model.emit_long(waveform, window_s=6.0, on_window=progress_s.append)
    assert (whole.windows, windowed.windows) == (1, 4)
    assert len(whole.log_probs) == len(windowed.log_probs)
    np.testing.assert_allclose(windowed.log_probs, whole.log_probs, atol=2e-3)
    assert len(progress_s) == 4
    assert progress_s[-1] == pytest.approx(waveform.duration_s, abs=0.05)
    by_call = transcriber(waveform, window_s=6.0)
    assert (by_call.windows, transcriber(waveform).windows) == (4, 1)
    assert times(by_call.words) == times(transcriber(waveform).words)


@pytest.mark.parametrize("settings", [{}, {"window_s": 2.0}, {"window_s": 2.0, "beams": 4}, {"vad": True}])
@pytest.mark.parametrize("kind", ["w2v-bert", "xlsr"])
def test_words_are_reported_as_windows_are_done(transcribers, speech, kind, settings):
    recording = np.concatenate([np.tile(speech, 5), np.zeros(8000, np.float32), speech])
    settings = TranscribeSettings(**settings)
    reported, progress = [], []
    transcript = transcribers[kind].transcribe_words(
        Waveform(recording), reported.append, settings, on_progress=lambda *each: progress.append((len(reported), each))
    )
    whole = transcribers[kind](Waveform(recording), **vars(settings))
    assert [word for words in reported for word in words] == list(transcript.words)
    assert (transcript.duration_s, transcript.windows) == (whole.duration_s, whole.windows)
    assert all(reported)
    if settings.is_greedy:
        assert times(transcript.words) == times(whole.words)
    if settings.window_s:
        assert transcript.windows > 4
    if settings.window_s and settings.is_greedy and kind == "w2v-bert":  # which predicts spaces
        assert progress[-2][0] > 0  # words were reported before the last window was done


def test_words_are_reported_in_windows_by_default(ctc_checkpoints, speech, monkeypatch):
    monkeypatch.setattr(emissions, "WINDOW_S", 2.0)
    transcriber, recording = Transcriber.from_pretrained(ctc_checkpoints / "xlsr"), Waveform(np.tile(speech, 5))
    assert transcriber(recording).windows == 1
    assert transcriber.transcribe_words(recording, lambda _: None).windows == 4


def test_a_silence_reports_no_words(transcribers):
    reported = []
    transcript = transcribers["w2v-bert"].transcribe_words(Waveform(np.zeros(32_000, np.float32)), reported.append)
    assert (reported, transcript.text, transcript.duration_s) == ([], "", 2.0)


def test_a_recording_is_computed_at_once_up_to_the_maximum(ctc_checkpoints, speech, monkeypatch):
    waveform = Waveform(np.tile(speech, 4))
    monkeypatch.setattr(emissions, "WINDOW_S", 3.0)
    transcriber = Transcriber.from_pretrained(ctc_checkpoints / "wav2vec2")
    assert transcriber.acoustic_model.max_whole_s == 60.0
    monkeypatch.setattr(emissions, "MAX_WHOLE_S", waveform.duration_s)
    assert transcriber(waveform).windows == 1
    monkeypatch.setattr(emissions, "MAX_WHOLE_S", waveform.duration_s - 0.01)
    assert transcriber(waveform).windows == 2


def test_hot_words_and_a_language_model_change_the_text(transcribers, speech, tmp_path):
    transcriber = transcribers["w2v-bert"]
    plain = transcriber(speech, beams=20).text
    word = "EE"
    assert word not in plain.split()
    assert word in transcriber(speech, beams=20, hot_words=[word], hot_word_weight=100.0).text.split()
    path = tmp_path / "words.arpa"
    path.write_text("\\data\\\nngram 1=3\n\n\\1-grams:\n-9\t<unk>\n-0.1\tee\n-0.1\t</s>\n\n\\end\\\n")
    with_model = transcriber(speech, language_model=path, language_model_weight=3.0, word_score=0.0).text
    assert with_model != plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beams": 0}, "beams must be at least 1; got 0"),
        ({"beams": 1, "hot_words": ["A"]}, "beams must be at least 2 with hot words"),
        ({"hot_words": "A"}, r"hot_words must be a list of words; got one text: give \['A'\]"),
        ({"hot_words": ["é"]}, "hot word 'é' has characters that the model cannot predict: 'é'"),
        ({"window_s": 0.0}, "window_s must be above 0; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"language_model": "gone.arpa"}, "language model gone.arpa must be an ARPA file"),
    ],
)
def test_a_wrong_setting_is_an_error_before_anything_is_transcribed(transcribers, speech, settings, message):
    with pytest.raises(InputError, match=message):
        transcribers["wav2vec2"]([speech], **settings)


def test_silences_are_skipped_and_separate_words(ctc_checkpoints, speech, monkeypatch):
    pytest.importorskip("silero_vad", reason="silero-vad is not installed")
    transcriber = Transcriber.from_pretrained(ctc_checkpoints / "xlsr")
    silence = np.zeros(16_000 * 4, np.float32)
    samples = np.concatenate([silence, speech, silence, speech, silence])
    transcript = transcriber(samples, vad=True)
    assert transcript.windows == 2
    spoken = [(3.7, 5.5), (8.8, 10.6)]
    for word in transcript.words:
        assert any(start <= word.start_s and word.end_s <= end for start, end in spoken)
    assert {word.start_s > 7 for word in transcript.words} == {True, False}
    assert transcriber(silence, vad=True).text == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_without_sound_has_no_words(transcribers, speech, kind):
    transcriber, rng = transcribers[kind], np.random.default_rng(0)
    dither = (rng.triangular(-1, 0, 1, 48_000) / 2**15).astype(np.float32)
    offset = np.full(20_000, 0.5, np.float32)
    silence = np.zeros(30_000, np.float32)
    for samples, transcript in zip([dither, offset], transcriber([dither, offset], batch_size=2), strict=True):
        assert (transcript.text, transcript.windows) == ("", 0)
        assert transcript.duration_s == len(samples) / 16_000
    together = list(transcriber([silence, speech, dither], batch_size=3))
    assert [bool(each.words) for each in together] == [False, True, False]
    assert times(together[1].words) == times(transcriber(speech).words)
    assert transcriber(silence, window_s=0.5).text == ""
    quiet = transcriber(speech * 10 ** (-50 / 20) / np.abs(speech).max())
    assert len(quiet.words) > 0


@pytest.mark.parametrize("arguments", [{"precision": "bf16"}, {"precision": "int8"}, {"int8": True}])
def test_precisions_are_close_to_float32_and_need_the_cpu(ctc_checkpoints, speech, arguments):
    if arguments == {"precision": "bf16"} and not multiplies_bfloat16():
        pytest.skip("this CPU has no instructions for products of bfloat16")
    for kind in ("w2v-bert", "hubert"):
        transcriber = Transcriber.from_pretrained(ctc_checkpoints / kind, **arguments)
        (found,) = transcriber.acoustic_model.emit([Waveform(speech)])
        (float32,) = Transcriber.from_pretrained(ctc_checkpoints / kind).acoustic_model.emit([Waveform(speech)])
        assert not np.array_equal(found.log_probs, float32.log_probs)
        agreed = (found.log_probs.argmax(1) == float32.log_probs.argmax(1)).mean()
        assert agreed > 0.8
    with pytest.raises(InputError, match=r"needs the CPU and float32; got device=cpu and dtype=torch\.bfloat16"):
        Transcriber.from_pretrained(ctc_checkpoints / "w2v-bert", dtype=torch.bfloat16, **arguments)


def test_bfloat16_runs(ctc_checkpoints, speech):
    for kind in ("w2v-bert", "wav2vec2"):
        assert Transcriber.from_pretrained(ctc_checkpoints / kind, dtype=torch.bfloat16)(speech).text


def test_the_vocabulary_is_that_of_the_tokenizer(transcribers):
    vocabulary = transcribers["xlsr"].acoustic_model.vocabulary
    assert vocabulary.tokens[4:] == (" ", *TOKENS[5:])
    assert (vocabulary.blank_id, vocabulary.ignored_ids, vocabulary.delimiter_ids) == (
        0,
        frozenset(SPECIAL),
        frozenset({4}),
    )


@pytest.mark.parametrize("kind", ["w2v-bert", "wav2vec2"])
def test_the_text_of_the_best_path_is_aligned_with_its_own_times_and_words_begin_a_frame_earlier(
    transcribers, recordings, kind
):
    transcriber = transcribers[kind]
    transcripts = list(transcriber(recordings[:3]))
    texts = [f"«{transcript.text.lower()}!»" for transcript in transcripts]
    for transcript, aligned in zip(transcripts, transcriber.align(recordings[:3], texts, batch_size=3), strict=True):
        letters = [each for word in aligned.words for each in word.characters]
        expected = [each for word in transcript.words for each in word.characters]
        assert [each.text.upper().strip("«!»") for each in letters] == [each.text for each in expected]
        assert [each.end_s for each in letters] == [each.end_s for each in expected]
        assert [each.confidence for each in letters] == pytest.approx([each.confidence for each in expected])
        end_s = 0.0
        for word, other in zip(aligned.words, transcript.words, strict=True):
            frame_s = transcriber.acoustic_model.frame_s
            assert word.start_s == pytest.approx(max(end_s, other.start_s - frame_s))
            assert word.characters[0].start_s == word.start_s
            assert [each.start_s for each in word.characters[1:]] == [each.start_s for each in other.characters[1:]]
            end_s = word.end_s
        assert aligned.cues == aligned.missing == ()
        means = [statistics.geometric_mean(c.confidence for c in word.characters) for word in transcript.words]
        assert [word.confidence for word in aligned.words] == pytest.approx(means)


def test_lines_become_cues_and_what_is_not_spelled_gets_times(transcribers, speech):
    transcriber = transcribers["wav2vec2"]
    with pytest.warns(RecordingWarning, match="does not fit the recording"):
        aligned = transcriber.align(speech, "The lion,\n— has 23 teeth.")
    assert [word.text for word in aligned.words] == ["The", "lion,", "has", "23", "teeth."]
    ends = [0.0, *(word.end_s for word in aligned.words)]
    assert all(end <= word.start_s < word.end_s for end, word in zip(ends, aligned.words, strict=False))
    assert [cue.lines for cue in aligned.cues] == [("The lion,",), ("— has 23 teeth.",)]
    assert aligned.cues[1][:2] == (aligned.words[2].start_s, aligned.words[4].end_s)
    assert aligned.words[3].confidence == 0.0
    assert all(word.confidence > 0 for index, word in enumerate(aligned.words) if index != 3)


def test_words_for_which_there_is_no_time_are_missing(transcribers, speech):
    with pytest.warns(RecordingWarning, match="words were not found in the recording"):
        aligned = transcribers["wav2vec2"].align(speech[:4000], "the rain in the\nroad " * 20)
    assert len(aligned.words) + len(aligned.missing) == 100
    assert aligned.as_dict()["missing"][0].keys() == {"index", "text"}
    assert len(aligned.cues) < 21


def test_a_text_that_cannot_be_aligned_is_an_error(transcribers, speech):
    transcriber = transcribers["wav2vec2"]
    with pytest.raises(InputError, match="the transcript has no words"):
        transcriber.align(speech, "…")
    with pytest.raises(InputError, match="no character of the transcript is in the vocabulary of the model"):
        transcriber.align(speech, "слон")
    with pytest.raises(InputError, match="there must be a transcript for each recording; got 1 for 2"):
        list(transcriber.align([speech, speech], ["one"]))


@pytest.mark.parametrize("kind", [*KINDS, "w2v-bert-adapter"])
def test_a_recording_that_is_read_in_blocks_has_the_emissions_of_one_in_memory(transcribers, speech, kind):
    waveform = Waveform(np.concatenate([speech, 0.5 * speech, speech]))
    model = transcribers[kind].acoustic_model
    with read_in_blocks(block_samples=5000, window_tokens=1000):
        long = load_recording(waveform)
        for segments_s in (None, [(0.1, 0.9), (1.3, 1.9), (2.5, 2.6)]):
            settings = {"window_s": 0.5, "segments_s": segments_s}
            held = model.emit_long(waveform, **settings)
            reported: list[float] = []
            read = model.emit_long(long, **settings, on_window=reported.append)
            assert reported == sorted(reported)
            assert len(reported) == read.windows
            assert (held.windows, held.log_probs.shape) == (read.windows, read.log_probs.shape)
            np.testing.assert_allclose(np.exp(read.log_probs), np.exp(held.log_probs), atol=2e-4)


@pytest.mark.parametrize("settings", [{"window_s": 0.3}, {"vad": True}])
def test_a_recording_that_is_read_in_blocks_has_the_text_of_one_in_memory(transcribers, recordings, settings):
    if settings.get("vad"):
        pytest.importorskip("silero_vad", reason="silero-vad is not installed")
    held = list(transcribers["wav2vec2"](recordings, **settings))
    with read_in_blocks(block_samples=5000):
        read = list(transcribers["wav2vec2"](recordings, **settings))
    assert [times(each.words) for each in read] == [times(each.words) for each in held]
