import pytest

from photism.errors import InputError
from photism.training.data.readers import read_examples


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_scp", ".scp")).write_text(content, encoding="utf8")


def read(folder):
    return list(
        read_examples(
            str(folder), lambda row: (row["text"],) if row["text"] else (), read_group=lambda row: row["speaker"]
        )
    )


def test_a_data_folder(tmp_path):
    audio = tmp_path / "audio" / "a b.wav"
    audio.parent.mkdir()
    audio.write_bytes(b"")
    write(
        tmp_path / "data" / "train",
        wav_scp="u1 audio/a b.wav\nu2 audio/a b.wav\n",
        text="u1 good  morning\nu3 no recording\n",
        utt2spk="u1 s1\nu2 s2\n",
    )
    first, second, third = read(tmp_path / "data" / "train")
    assert (first.name, first.sound, first.texts, first.group) == ("u1", audio, ("good  morning",), "s1")
    assert (second.name, second.texts, second.split) == ("u2", (), "train")  # without a transcript
    assert (third.name, third.sound) == ("u3", None)


def test_segments_and_splits(tmp_path):
    for split, speakers in (("train", "u1 s1\nu2 s2\n"), ("dev_other", "")):
        write(
            tmp_path / split,
            wav_scp=f"rec {tmp_path}/rec.wav\n",
            text="u1 one\nu2 two\n",
            segments="u1 rec 0.5 1.25\nu2 rec 2 -1\n",
            **({"utt2spk": speakers} if speakers else {}),
        )
    write(tmp_path / "local", wav_scp="x x.wav\n")
    *dev, first, second = read(tmp_path)
    assert (first.name, first.start_s, first.end_s, first.split) == ("u1", 0.5, 1.25, "train")
    assert (second.name, second.start_s, second.end_s) == ("u2", 2.0, None)
    # Without speakers, the segments of a recording have its name, by which they are kept in one split.
    assert [(each.name, each.split) for each in dev] == [(f"{tmp_path}/rec.wav", "validation")] * 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"wav_scp": "u1 touch ran |\n"}, r"must name audio files; u1 is a command, which is not run: touch ran \|"),
        ({"wav_scp": "u1 |touch ran\n"}, "u1 is a command, which is not run"),
        ({"wav_scp": "u1 raw.ark:17\n"}, "u1 is in a Kaldi archive: raw.ark:17"),
        ({"wav_scp": "u1 a.wav\nu1 b.wav\n"}, "wav.scp, line 2, must name each utterance once; u1 is there already"),
        ({"wav_scp": "r a.wav\n", "segments": "u1 r 0\n"}, "must be utterance, recording, .* u1 has 'r 0'"),
        ({"wav_scp": "\n"}, "wav.scp lists no recordings"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path, monkeypatch, files, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, **files)
    with pytest.raises(InputError, match=message):
        read(tmp_path)
    assert not (tmp_path / "ran").exists()
