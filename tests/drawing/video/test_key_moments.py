"""Key moments: the table that a user writes, and the prompts between its times."""

import numpy as np
import pytest
import torch

from photism import InputError, Waveform
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.film import Film
from photism.drawing.video.key_moments import KeyMoment, KeyMomentPrompts, read_key_moments
from photism.drawing.video.settings import FilmSettings
from photism.prompts.mixing import with_strength
from tests.drawing.video.recordings import noise, tone, write_wav


@pytest.fixture
def table(tmp_path):
    write_wav(tmp_path / "thunder.wav", noise(0.5))
    path = tmp_path / "moments.csv"
    path.write_text('time,text,sound,strength\n1,"a storm, at sea",,0.5\n0:03,,thunder.wav,\n0:00:04.5,,,\n')
    return path


def test_a_table_is_read(table):
    moments = read_key_moments(table, duration_s=5)
    assert [(each.time_s, each.text, each.strength) for each in moments] == [
        (1, "a storm, at sea", 0.5),
        (3, None, 1),
        (4.5, None, 0),
    ]
    assert moments[1].sound.duration_s == 0.5
    assert moments[2].sound is None


def test_prompts_are_interpolated_between_moments(table, pipeline):
    prompts = KeyMomentPrompts(read_key_moments(table, duration_s=5), pipeline)
    own = pipeline.encoder.encode([Waveform(tone(1).astype(np.float32))])
    text, thunder = pipeline.encode_text(["a storm, at sea"]), prompts._prompts[1]
    storm = with_strength(text, own, 0.5)
    for time_s, expected in (
        (0, storm),
        (1, storm),
        (2, with_strength(thunder, storm, 0.5)),
        (3, thunder),
        (4.25, with_strength(own, thunder, 5 / 6)),
        (4.5, own),
        (9, own),
    ):
        found = prompts.at(time_s, own).prompt_embeds
        torch.testing.assert_close(found, expected.prompt_embeds)


def test_a_film_draws_its_key_moments(table, pipeline, tmp_path):
    sound = measure_recording(write_wav(tmp_path / "a.wav", tone(5)))
    given = {"fps": 2, "num_inference_steps": 1, "noise": 0, "zoom": 0}
    plain, changed = (Film(pipeline, sound, FilmSettings(moments=moments, **given)) for moments in (None, table))
    pairs = zip(plain.frames(range(10)), changed.frames(range(10)), strict=True)
    assert [one.image == other.image for one, other in pairs] == [False] * 9 + [True]
    assert changed.as_dict()["moments"][0] == [1, "a storm, at sea", 0.5]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,a", "the first line must name the columns time,text,sound,strength; got "),
        ("time,text", "there are no rows below"),
        ("time,text\nsoon,a", "line 2: time must be seconds, m:ss or h:mm:ss, such as 1:03.5; got soon"),
        ("time,text\n0:75,a", "line 2: time must be seconds"),
        ("time,text\n2,a\n1,b", "line 3: times must ascend; 1 follows 2 s"),
        ("time,text\n0:06,a", "line 2: 0:06 is after the end of the recording, at 5.0 s"),
        ("time,text\n1,a,b", "line 2: the row has more or fewer values"),
        ("time,text,sound\n1,a,b.wav", "line 2: text and sound cannot be given together"),
        ("time,sound\n1,no.wav", "no such file"),
        ("time,text\n1,a (rose:1.3)", "line 2: text has a weight in another syntax, (rose:1.3); write (rose)1.3"),
        ("time,text,strength\n1,a,x", "line 2: strength must be a number from 0 to 1; got x"),
        ("time,text,strength\n1,a,2", "line 2: strength must be a number from 0 to 1; got 2"),
        ("time,text,strength\n1,,0.5", "line 2: a strength needs a text or a sound"),
    ],
)
def test_a_wrong_row_is_reported(tmp_path, rows, message):
    path = tmp_path / "moments.csv"
    path.write_text(rows)
    with pytest.raises(InputError) as error:
        read_key_moments(path, duration_s=5)
    assert message in str(error.value)


def test_a_missing_table_is_reported(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_key_moments(tmp_path / "no.csv", duration_s=5)


@pytest.mark.parametrize(
    ("moments", "message"),
    [
        ([KeyMoment(1, "a"), KeyMoment(0.5, "b")], r"moments\[1\]: times must ascend; 0.5 follows 1 s"),
        ([KeyMoment(-1, "a")], r"moments\[0\]: time must be at least 0 s; got -1"),
        ([KeyMoment(9, "a")], r"moments\[0\]: 9 is after the end of the recording, at 1.0 s"),
        ([KeyMoment(0, "a", strength=1.5)], r"moments\[0\]: strength must be a number from 0 to 1; got 1.5"),
        ([KeyMoment(0, "a", Waveform(np.zeros(800, np.float32)))], "text and sound cannot be given together"),
        ([KeyMoment(0, "a (rose:1.3)")], r"moments\[0\]: text has a weight in another syntax"),
        ([(0, "a")], r"moments\[0\] must be a KeyMoment; got \(0, 'a'\)"),
    ],
)
def test_a_wrong_moment_of_a_list_is_reported(pipeline, tmp_path, moments, message):
    sound = measure_recording(write_wav(tmp_path / "a.wav", tone(1)))
    with pytest.raises(InputError, match=message):
        Film(pipeline, sound, FilmSettings(moments=moments))


@pytest.mark.parametrize("text", [None, "a rose"])
def test_a_long_text_is_drawn_whole_on_request(pipeline, tmp_path, caplog, text):
    sound = measure_recording(write_wav(tmp_path / "a.wav", tone(1)))
    long = "a very old house on a hill " * 5
    moments = [KeyMoment(0, long), KeyMoment(0.5, "rain"), KeyMoment(1)]
    given = {"fps": 4, "num_inference_steps": 1, "text": text, "sound_strength": 0.5 if text else None}
    made = Film(pipeline, sound, FilmSettings(moments=moments, long_text=True, **given))
    assert len(list(made.frames(range(4)))) == 4
    assert not [each for each in caplog.records if each.name.startswith("photism")]
    found = made._moments.at(0, pipeline.encoder.empty_prompt).prompt_embeds
    torch.testing.assert_close(found, pipeline.encode_text([long], long_text=True).prompt_embeds)
