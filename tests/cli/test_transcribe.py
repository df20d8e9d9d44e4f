"""photism transcribe: files, standard input and the microphone, and what is an error before a model is loaded."""

import json
import shutil
import sys
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest
from typer.testing import CliRunner

from photism import InputError, Transcriber, load_waveform
from photism.cli import live_transcript
from photism.cli.app import app, main
from photism.listening.transcription.decoding_options import StreamingSettings, TranscribeSettings
from photism.listening.transcription.streaming import StreamUpdate
from photism.listening.transcription.transcript import Word


@pytest.fixture
def transcribe(ctc_checkpoints):
    def run(*arguments):
        model = ["--model", str(ctc_checkpoints / "w2v-bert")]
        return CliRunner().invoke(app, ["transcribe", *model, *map(str, arguments)])

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(Transcriber, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))


@pytest.fixture
def texts(ctc_checkpoints, sounds):
    return [each.text for each in Transcriber.from_pretrained(ctc_checkpoints / "w2v-bert")(sounds)]


def test_the_text_of_one_recording_and_of_several(transcribe, sounds, texts):
    assert transcribe(sounds[0]).stdout == f"{texts[0]}\n"
    result = transcribe(*sounds, "--batch-size", 2, "--workers", 0)
    assert result.stdout.splitlines() == [
        line for sound, text in zip(sounds, texts, strict=True) for line in (str(sound), f"  {text}")
    ]
    assert result.stderr == ""
    assert result.exit_code == 0


def test_json_is_one_object_per_recording(transcribe, sounds, texts):
    lines = transcribe(*sounds, "--json").stdout.splitlines()
    for line, sound, text in zip(lines, sounds, texts, strict=True):
        result = json.loads(line)
        assert result.keys() == {"file", "text", "duration_s", "windows", "words"}
        assert (result["file"], result["text"], result["windows"]) == (str(sound), text, 1)
        assert result["words"][0].keys() == {"text", "start_s", "end_s", "confidence"}
    result = json.loads(transcribe(sounds[0], "--json", "--words").stdout)
    assert result["words"][0]["characters"]


def test_an_unreadable_recording_is_reported_and_skipped(transcribe, sounds, texts, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_text("not a sound")
    result = transcribe(sounds[0], broken, sounds[1])
    assert result.exit_code == 2
    assert result.stdout.splitlines()[1::2] == [f"  {texts[0]}", f"  {texts[1]}"]
    line, summary = result.stderr.splitlines()
    assert summary == "photism: 2 of 3 recordings were processed"
    assert line.startswith(f"photism: skipped {broken}: not an audio or video file")


def test_files_are_written(transcribe, sounds, texts, tmp_path):
    target = tmp_path / "words.srt"
    result = transcribe(sounds[0], "-o", target)
    assert result.stdout == f"{target}\n"
    assert target.read_text().startswith("1\n00:00:00,")
    folder = tmp_path / "texts"
    folder.mkdir()
    result = transcribe(*sounds, "-o", folder, "--format", "vtt", "--json")
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["elephant.vtt", "koala.vtt", "rain.vtt"]
    assert [json.loads(line)["output"] for line in result.stdout.splitlines()] == [
        str(folder / f"{sound.stem}.vtt") for sound in sounds
    ]
    error = transcribe(sounds[0], "-o", target).exception
    assert "words.srt exists; give another name with -o, or --force" in str(error)
    assert transcribe(sounds[1], "-o", target, "--force", "--words").exit_code == 0


def test_one_file_holds_several_recordings(transcribe, sounds, texts, tmp_path):
    names = [str(sound) for sound in sounds]
    for target in (tmp_path / "all.json", tmp_path / "all.jsonl", tmp_path / "all.ctm"):
        assert transcribe(*sounds, "-o", target).stdout == f"{target}\n"
    results = json.loads((tmp_path / "all.json").read_text())
    assert [json.loads(line) for line in (tmp_path / "all.jsonl").open()] == results
    assert [(each["file"], each["text"]) for each in results] == list(zip(names, texts, strict=True))
    rows = [line.split() for line in (tmp_path / "all.ctm").open()]
    assert [(row[0], row[4]) for row in rows] == [
        (sound.stem, word) for sound, text in zip(sounds, texts, strict=True) for word in text.split()
    ]
    result = transcribe(*sounds[:2], "-o", tmp_path / "both.json", "--json")
    assert [json.loads(line)["output"] for line in result.stdout.splitlines()] == [str(tmp_path / "both.json")] * 2
    assert len(json.loads((tmp_path / "both.json").read_text())) == 2
    assert transcribe(sounds[0], "-o", tmp_path / "one.json").exit_code == 0
    assert json.loads((tmp_path / "one.json").read_text())["text"] == texts[0]
    folder = tmp_path / "grids"
    folder.mkdir()
    assert transcribe(*sounds[:2], "-o", folder, "--format", "textgrid").exit_code == 0
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["elephant.TextGrid", "koala.TextGrid"]


def test_the_recordings_of_a_folder(transcribe, sounds, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talks/a").mkdir(parents=True)
    shutil.copy(sounds[0], "talks/a/1.wav")
    assert transcribe("talks").stdout == f"talks/a/1.wav\n  {texts[0]}\n"
    for _ in range(2):
        result = transcribe("talks", "-o", "texts/")
        assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "texts/a/1.txt").read_text() == f"{texts[0]}\n"
    assert transcribe("talks", "-o", "rows.csv").stdout == ""
    assert (tmp_path / "rows.csv").read_text() == f"file,duration_s,text\ntalks/a/1.wav,0.5,{texts[0]}\n"
    (row,) = [json.loads(line) for line in transcribe("talks", "-o", "more/", "--json").stdout.splitlines()]
    assert (row["file"], row["output"]) == ("talks/a/1.wav", "more/a/1.txt")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b/a.wav", "b/a.wav", "-o", "all.ctm"], "b/a.wav is given twice; give it once, since the output identifies"),
        ([], "SOUND is missing: give files or URLs, - for standard input, or --microphone"),
        (["-", "a.wav", "-"], "- is given twice; standard input can be read once"),
        (["a.wav", "--microphone"], "--microphone and SOUND exclude each other; give one of them"),
        (["a.wav", "--raw", "16000"], "--raw is for standard input: give - as SOUND, or omit --raw"),
        (
            ["-", "--input-device", "hw:0"],
            "--input-device is for the microphone: add --microphone, or omit --input-device",
        ),
        (["a.wav", "--dtype", "int8"], "--dtype must be one of float32, float16, bfloat16; got int8"),
        (
            ["a.wav", "--format", "ass"],
            "--format must be one of txt, srt, vtt, tsv, csv, json, jsonl, ctm, textgrid; got ass",
        ),
        (
            ["a.wav", "-o", "text.doc"],
            "--format must be one of txt, srt, vtt, tsv, csv, json, jsonl, ctm, textgrid; got doc",
        ),
        (["a.wav", "b.wav", "--format", "srt"], "--format srt of several recordings needs -o FOLDER, or --json"),
        (["a.wav", "b.wav", "-o", "text.txt"], "-o must be a folder for 2 inputs, but text.txt is not a folder"),
        (["a.wav", "-o", "gone/text.txt"], "-o: the folder gone does not exist; create it"),
        (["x/a.wav", "y/a.mp3", "-o", "."], "x/a.wav and y/a.mp3 would both be written to a.txt"),
        (["a.wav", "--beams", "0"], "--beams must be at least 1; got 0"),
        (["a.wav", "--lm", "gone.arpa"], "language model gone.arpa must be an ARPA file"),
        (["-", "--step", "0"], "--step must be above 0; got 0"),
    ],
)
def test_a_mistake_is_an_error_before_a_model_is_loaded(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["transcribe", *arguments]).exception
    assert isinstance(error, InputError)
    assert message in str(error)


def test_a_missing_model_is_an_error_that_names_one(sounds, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["photism", "transcribe", str(sounds[0])])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    assert "photism: --model is missing: no speech recogniser is bundled" in capsys.readouterr().err


def test_settings_reach_the_transcriber(transcribe, sounds, monkeypatch):
    given = {}

    def transcribe_nothing(self, recordings, settings, **callbacks):
        given.update(recordings=[each.name for each in recordings], settings=settings)
        return iter(())

    monkeypatch.setattr(Transcriber, "transcribe", transcribe_nothing)
    options = "--beams 7 --hot-word A --hot-word OAT --hot-word-weight 3 --vad --window 5 --batch-size 3 --workers 1"
    assert transcribe(sounds[0], *options.split()).exit_code == 0
    expected = TranscribeSettings(
        beams=7, hot_words=("A", "OAT"), hot_word_weight=3.0, vad=True, window_s=5.0, batch_size=3, num_workers=1
    )
    assert given == {"recordings": [str(sounds[0])], "settings": expected}


@pytest.fixture
def piped(monkeypatch, ctc_checkpoints):
    def run(data, *arguments, capture):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(data)))
        model = ["--model", str(ctc_checkpoints / "w2v-bert")]
        monkeypatch.setattr(sys, "argv", ["photism", "transcribe", "-", *model, *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            main()
        assert not exit_info.value.code
        return capture.readouterr()

    return run


def test_standard_input_is_transcribed_as_it_arrives(piped, sounds, ctc_checkpoints, capsys):
    printed = piped(sounds[2].read_bytes(), "--step", "0.5", "--lookahead", "0.25", capture=capsys)
    assert printed.err.startswith("Listening; each word becomes final about 0.75 s after it is spoken.")
    stream = Transcriber.from_pretrained(ctc_checkpoints / "w2v-bert").stream(
        StreamingSettings(step_s=0.5, lookahead_s=0.25)
    )
    stream.feed(load_waveform(sounds[2]).samples)
    stream.finish()
    assert printed.out.split() == stream.transcript.text.split()
    assert len(printed.out.split()) > 1


def test_raw_samples_on_standard_input_in_json(piped, sounds, capsys):
    samples = sounds[2].read_bytes()[44:]
    printed = piped(samples, "--raw", "16000", "--json", "--step", "0.5", "--lookahead", "0.25", capture=capsys)
    *updates, whole = map(json.loads, printed.out.splitlines())
    assert all(each.keys() == {"final", "partial"} for each in updates)
    assert any(each["partial"] for each in updates)
    assert " ".join(word["text"] for each in updates for word in each["final"]) == whole["text"]
    assert whole["file"] == "-"


def test_standard_input_to_subtitles(piped, sounds, tmp_path, capsys):
    printed = piped(sounds[2].read_bytes(), "--format", "vtt", capture=capsys)
    assert printed.out.startswith("WEBVTT\n\n00:00:00.")
    target = tmp_path / "live.srt"
    printed = piped(sounds[2].read_bytes(), "-o", target, capture=capsys)
    assert printed.out.endswith(f"{target}\n")
    assert " --> " in target.read_text()


def test_the_microphone_is_transcribed_until_ctrl_c(transcribe, sounds, monkeypatch):
    from photism.audio import live_input as audio

    def microphone(device, reading):
        assert device == "hw:1"
        yield load_waveform(sounds[2]).samples
        raise KeyboardInterrupt

    monkeypatch.setattr(audio, "microphone_samples", microphone)
    result = transcribe("--microphone", "--input-device", "hw:1")
    assert result.exit_code == 0
    assert result.stdout.strip()


def test_partial_words_are_dim_on_a_terminal_and_replaced(monkeypatch, transcribe):
    def word(text, start_s):
        return Word(text, start_s, start_s + 0.5, 1.0, ())

    written = []
    monkeypatch.setattr(live_transcript.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(live_transcript._Printer, "write", lambda self, text: written.append(text))
    printer = live_transcript._Printer("words")
    printer.show(StreamUpdate((), (word("HEL", 0.0),)))
    printer.show(StreamUpdate((word("HELLO", 0.0), word("THERE", 0.6)), (word("A", 1.2),)))
    printer.show(StreamUpdate((word("AFTER", 4.0),), ()))
    printer.end()
    assert "".join(written) == ("\x1b7\x1b[2mHEL\x1b[0m\x1b8\x1b[JHELLO THERE\x1b7 \x1b[2mA\x1b[0m\x1b8\x1b[J\nAFTER\n")


def test_ctrl_c_closes_the_microphone():
    class Stream:
        delay_s = 1.0
        transcript = None

        def feed(self, samples):
            raise KeyboardInterrupt

        def finish(self):
            return StreamUpdate((), ())

    blocks = (np.zeros(1, np.float32) for _ in range(2))
    live_transcript.transcribe_live(Stream(), blocks)
    assert list(blocks) == []


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.txt"
    path.write_text("The lion\nhas 2 trees.\n")
    return path


def test_a_transcript_gets_times(transcribe, sounds, script, tmp_path):
    result = transcribe(sounds[0], "--transcript", script)
    assert result.stdout.splitlines()[2::4] == ["The lion", "has 2 trees."]
    assert f"photism: {sounds[0]}: the transcript does not fit the recording (mean confidence 0." in result.stderr
    assert result.exit_code == 0
    target = tmp_path / "talk.json"
    transcribe(sounds[0], "--transcript", script, "-o", target)
    values = json.loads(target.read_text())
    assert [cue["text"] for cue in values["cues"]] == ["The lion", "has 2 trees."]
    assert [word["text"] for word in values["words"]] == ["The", "lion", "has", "2", "trees."]
    target = tmp_path / "talk.TextGrid"
    transcribe(sounds[0], "--transcript", script, "-o", target)
    assert 'text = "has 2 trees."' in target.read_text()
    target = tmp_path / "talk.vtt"
    subtitles = tmp_path / "script.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:09,000\n<i>The</i> lion &\n", encoding="utf8")
    transcribe(sounds[0], "--transcript", subtitles, "-o", target)
    assert target.read_text().splitlines()[3] == "<i>The</i> lion &amp;"


def test_transcripts_in_a_folder_are_those_of_several_recordings(transcribe, sounds, tmp_path):
    for sound in sounds:
        (tmp_path / f"{sound.stem}.txt").write_text(f"The {sound.stem}")
    lines = transcribe(*sounds, "--transcript", tmp_path, "--json").stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == [f"The {sound.stem}" for sound in sounds]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--microphone"], "--transcript is for files; transcribe a live recording without it"),
        (["a.wav", "--beams", "5"], "--transcript is the text: omit --beams, --hot-word and --lm"),
        (["a.wav", "-o", "text.txt"], "--transcript finds times, which txt cannot hold; choose srt, vtt, tsv, json"),
        (["a.wav", "--format", "txt"], "--transcript finds times, which txt cannot hold"),
        (["a.wav", "b.wav"], "--transcript must be a folder for 2 recordings, with a file named after each"),
    ],
)
def test_a_mistake_with_a_transcript_is_an_error_before_a_model_is_loaded(arguments, message, script):
    error = CliRunner().invoke(app, ["transcribe", *arguments, "--transcript", str(script)]).exception
    assert isinstance(error, InputError)
    assert message in str(error)
