"""photism draw: written files, printed output, and errors before a model is loaded."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from photism import AudioPromptEncoder, AudioToImagePipeline, InputError, __version__
from photism.cli import app as command
from photism.cli.app import app
from photism.cli.draw import draw as draw_verb
from photism.drawing.generate import ImageGenerator
from photism.hub import bundled_model
from photism.prompts.audio_prompt import select_rows
from photism.prompts.mixing import blend
from photism.prompts.settings import PipelineSettings
from tests.drawing.video.recordings import silence, write_wav
from tests.support.command_lines import with_defaults

LOAD = "photism.cli.draw.load_pipeline"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder, which is the current one."""
    folder = tmp_path / "current"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def draw(models):
    def run(*arguments):
        return CliRunner().invoke(app, with_defaults("draw", {"--model": models / "sd", "--steps": 1}, arguments))

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(AudioToImagePipeline, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    return np.asarray(Image.open(path))


def assert_same_image(one, other):
    """Compare two images up to one level of 255, since another batch size is rounded differently."""
    np.testing.assert_allclose(pixels(one).astype(int), pixels(other).astype(int), atol=1)


@pytest.fixture
def calls(monkeypatch):
    """Count the recordings of each call of the encoder, and the images of each call of the diffusers pipeline."""
    counts = {"encoded": [], "generated": []}
    encode, generate = AudioPromptEncoder.encode, ImageGenerator.__call__

    def count_encoded(self, recordings, **arguments):
        counts["encoded"].append(len(recordings))
        return encode(self, recordings, **arguments)

    def count_generated(self, prompts, seeds, **arguments):
        counts["generated"].append(len(seeds))
        return generate(self, prompts, seeds, **arguments)

    monkeypatch.setattr(AudioPromptEncoder, "encode", count_encoded)
    monkeypatch.setattr(ImageGenerator, "__call__", count_generated)
    return counts


def test_recordings_are_drawn_in_batches_with_one_negative_prompt(draw, folder, sounds, calls):
    assert draw(*sounds, "--images", 2, "--negative", "noise", "-o", ".").exit_code == 0
    assert calls == {"encoded": [3, 1], "generated": [4, 2]}  # the negative prompt is encoded once
    (folder / "single").mkdir()
    for sound in sounds:
        draw(sound, "--images", 2, "--negative", "noise", "--batch-size", 1, "-o", "single")
        for number in (1, 2):
            name = f"{sound.stem}-{number}.png"
            assert_same_image(folder / name, folder / "single" / name)
            assert Image.open(folder / name).info == Image.open(folder / "single" / name).info


def test_images_are_written_as_soon_as_their_batch_is_done(draw, folder, sounds, monkeypatch):
    generate = ImageGenerator.__call__
    written = []

    def look(self, *arguments, **keywords):
        written.append(files(folder))
        return generate(self, *arguments, **keywords)

    monkeypatch.setattr(ImageGenerator, "__call__", look)
    draw(*sounds, "--images", 2, "--batch-size", 3)
    assert written == [[], ["elephant-1.png", "elephant-2.png"]]
    assert len(files(folder)) == 6


def test_images_are_named_after_their_recordings(draw, folder, sounds):
    result = draw(*sounds[:2])
    assert result.exit_code == 0, result.output
    assert files(folder) == ["elephant.png", "koala.png"]
    lines = result.stdout.splitlines()
    assert re.fullmatch(rf"{sounds[0]}: \w.*\. \(-?\d\.\d\d\)", lines[0])
    assert lines[1] == "  elephant.png  16×16  seed 0"
    assert lines[3] == "  koala.png  16×16  seed 0"
    assert result.stderr == ""


def test_the_image_is_that_of_the_pipeline(draw, folder, sounds, models):
    draw(sounds[0], "--seed", 3, "--guidance-scale", 2, "--negative", sounds[1], "-o", "out.png")
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    expected = pipeline(sounds[0], seed=3, guidance_scale=2.0, negative=sounds[1], num_inference_steps=1)
    np.testing.assert_array_equal(pixels(folder / "out.png"), np.asarray(expected.images[0][0]))


def test_a_png_holds_the_settings_that_generated_it(draw, folder, sounds, models):
    draw(
        sounds[0], "--seed", 3, "--images", 2, "--negative", "text:a phötograph", "--diffusion", models / "sd/diffusion"
    )
    assert files(folder) == ["elephant-1.png", "elephant-2.png"]
    about = Image.open(folder / "elephant-2.png").info
    assert about.pop("heard")
    assert about == {
        "Software": f"photism {__version__}",
        "seed": "4",
        "model": str(models / "sd"),
        "diffusion": str(models / "sd/diffusion"),
        "steps": "1",
        "guidance_scale": "7.5",
        "negative": "text:a phötograph",
        "sound": str(sounds[0]),
    }


def test_json_is_one_object_for_each_recording(draw, sounds, tmp_path):
    (tmp_path / "out").mkdir()
    lines = draw(*sounds, "--images", 2, "--json", "-o", tmp_path / "out").stdout.splitlines()
    for line, sound in zip(lines, sounds, strict=True):
        about = json.loads(line)
        assert about["file"] == str(sound)
        assert [each.keys() for each in about["heard"]] == [{"caption", "score"}] * 5
        paths = [tmp_path / f"out/{sound.stem}-{number}.png" for number in (1, 2)]
        assert about["pictures"] == [
            {"file": str(path), "width": 16, "height": 16, "seed": seed} for seed, path in enumerate(paths)
        ]
        assert all(path.exists() for path in paths)


def test_a_recording_without_sound_is_reported_and_drawn(draw, folder, tmp_path):
    quiet = write_wav(tmp_path / "quiet.wav", silence(1))
    result = draw(quiet)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"photism: {quiet}: there is nothing to hear: all of it is digital silence\n"
    title = rf"{re.escape(str(quiet))}: no known sound recognised \(closest: .+ \(-?\d\.\d\d\)\)"
    assert re.fullmatch(title, result.stdout.splitlines()[0])
    about = Image.open(folder / "quiet.png").info
    assert about["known"] == "false"
    assert about["heard"]
    assert json.loads(draw(quiet, "--force", "--json").stdout)["known"] is False


def test_a_recording_that_is_not_known_is_reported_and_drawn(draw, folder, sounds, monkeypatch):
    encode = AudioPromptEncoder.encode
    monkeypatch.setattr(
        AudioPromptEncoder, "encode", lambda *given, **settings: encode(*given, **settings)._replace(known=(False,))
    )
    message = f"photism: {sounds[0]}: no known sound recognised; the image is that of the closest captions\n"
    result = draw(sounds[0])
    assert result.exit_code == 0, result.output
    assert result.stderr == message
    assert files(folder) == ["elephant.png"]


def test_without_captions_none_is_printed(draw, folder, sounds, monkeypatch):
    monkeypatch.setattr("photism.prompts.model_folder.load_captions", lambda _: ())
    assert draw(sounds[0]).stdout.splitlines() == [str(sounds[0]), "  elephant.png  16×16  seed 0"]
    assert "heard" not in Image.open(folder / "elephant.png").info


def test_a_text_is_mixed_with_a_recording(draw, folder, sounds, models):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    for arguments, place, strength in (
        ([], "blend", None),
        (["--strength", 0.2], "blend", 0.2),
        (["--text-place", "after"], "after", None),
        (["--text-place", "2:4", "--strength", 0.9], (2, 4), 0.9),
    ):
        result = draw(sounds[0], "--text", "a rose", *arguments, "--force", "--json")
        expected = pipeline(sounds[0], text="a rose", text_place=place, sound_strength=strength, num_inference_steps=1)
        np.testing.assert_array_equal(pixels(folder / "elephant.png"), np.asarray(expected.images[0][0]))
        about = Image.open(folder / "elephant.png").info
        assert (about["text"], about["sound_strength"]) == ("a rose", str(expected.settings.sound_strength))
        assert about["text_place"] == (place if isinstance(place, str) else "2:4")
        heard = json.loads(result.stdout)["heard"]
        assert heard == json.loads(draw(sounds[0], "--force", "--json").stdout)["heard"]  # of the sound alone
        assert about["heard"] == heard[0]["caption"]


def test_strength_without_a_text(draw, folder, sounds, models):
    draw(sounds[0], "--strength", 0.5)
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    expected = pipeline(sounds[0], sound_strength=0.5, num_inference_steps=1).images[0][0]
    np.testing.assert_array_equal(pixels(folder / "elephant.png"), np.asarray(expected))
    about = Image.open(folder / "elephant.png").info
    assert about["sound_strength"] == "0.5"
    assert "text" not in about


def test_several_recordings_are_mixed_into_one_image(draw, folder, sounds, models):
    lines = draw(*sounds, "--mix", "2,1,0", "--seed", 3).stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [*map(str, sounds), "  mix.png  16×16  seed 3"]
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    prompts = pipeline.encoder.encode(sounds)
    mixed = blend([select_rows(prompts, [row]) for row in range(3)], [2, 1, 0])
    expected = pipeline(mixed, seed=3, num_inference_steps=1).images[0][0]
    np.testing.assert_array_equal(pixels(folder / "mix.png"), np.asarray(expected))
    about = Image.open(folder / "mix.png").info
    assert about["weights"] == "2,1,0"
    assert json.loads(about["sounds"]) == [*map(str, sounds)]
    assert len(json.loads(about["heard"])) == 3
    assert not {"sound", "morph", "text", "sound_strength"} & about.keys()
    draw(*sounds[:2], "--mix", "1,0", "--seed", 3, "-o", "first.png")
    draw(sounds[0], "--seed", 3)
    assert_same_image(folder / "first.png", folder / "elephant.png")


def test_a_morph_is_a_strip_of_images(draw, folder, sounds):
    about = json.loads(draw(*sounds[:2], "--morph", 3, "--images", 2, "--json").stdout)
    assert [each["file"] for each in about["sounds"]] == [*map(str, sounds[:2])]
    assert [len(each["heard"]) for each in about["sounds"]] == [5, 5]
    assert about["pictures"] == [
        {"file": f"morph-{number}.png", "width": 48, "height": 16, "seed": number - 1} for number in (1, 2)
    ]
    draw(*sounds[:2], "--seed", 1)
    strip = pixels(folder / "morph-2.png").astype(int)
    assert strip.shape == (16, 48, 3)
    for end, name in ((strip[:, :16], "elephant"), (strip[:, 32:], "koala")):
        np.testing.assert_allclose(end, pixels(folder / f"{name}.png").astype(int), atol=1)
    about = Image.open(folder / "morph-2.png").info
    assert (about["morph"], about["seed"]) == ("3", "1")
    assert "weights" not in about


def test_a_strip_does_not_overwrite_a_file(draw, folder, sounds):
    (folder / "morph.png").write_text("mine")
    error = draw(*sounds[:2], "--morph", 3).exception
    assert str(error) == "morph.png exists; give another name with -o, or --force to overwrite it"
    assert (folder / "morph.png").read_text() == "mine"


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mix", "1"], "weights must be one for each recording, 2; got 1"),
        (["--mix", "0,0"], "weights must be at least 0, finite and not all 0; got 0.0, 0.0"),
        (["--mix", "1,-1"], "weights must be at least 0, finite and not all 0; got 1.0, -1.0"),
        (["--mix", "1;2"], "--mix must be numbers separated by commas, such as 2,1; got 1;2"),
        (["--mix", ""], "--mix must be numbers separated by commas, such as 2,1; got "),
        (["--morph", "1"], "--morph must be at least 2, for the two ends; got 1"),
        (["--morph", "3", "--mix", "1,1"], "--mix and --morph cannot be given together; draw one, then the other"),
        (["--morph", "3", "rain.wav"], "--morph must have two recordings to go between; got 3"),
        (["--text-place", "above"], "--text-place must be blend, before, after or START:STOP, such as 1:4; got above"),
        (["--text-place", "1:b"], "--text-place must be blend, before, after or START:STOP, such as 1:4; got 1:b"),
        (["--text-place", "1:2:3"], "--text-place must be blend, before, after or START:STOP, such as 1:4; got 1:2:3"),
    ],
)
def test_mixing_is_checked_before_a_model_is_loaded(draw, folder, arguments, message):
    error = draw("elephant.wav", "koala.wav", *arguments).exception
    assert isinstance(error, InputError)
    assert str(error) == message
    assert files(folder) == []


def test_a_wrong_token_range_is_one_line_and_status_2(folder, sounds, models, monkeypatch, capsys):
    arguments = ["draw", "--model", models / "sd", "--text", "a rose", "--text-place", "0:3", sounds[0]]
    monkeypatch.setattr(sys, "argv", ["photism", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    assert exit_info.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "photism: text_place must be a range of tokens within 1:13; got 0:3"
    )
    assert files(folder) == []


@pytest.mark.parametrize("word", ["empty", "noise"])
def test_the_default_negative_prompt_is_the_models(draw, folder, sounds, models, tmp_path, word):
    model = shutil.copytree(models / "sd", tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"default_negative": word}))
    draw(sounds[0], "--model", model)
    draw(sounds[0], "--negative", word, "-o", "named.png")
    assert Image.open(folder / "elephant.png").info["negative"] == word
    np.testing.assert_array_equal(pixels(folder / "elephant.png"), pixels(folder / "named.png"))


def test_without_a_negative_prompt_the_png_says_guidance_scale_1(draw, folder, sounds):
    draw(sounds[0], "--negative", "none")
    assert Image.open(folder / "elephant.png").info["guidance_scale"] == "1.0"


def test_nothing_is_overwritten_without_force(draw, folder, sounds, monkeypatch):
    (folder / "koala.png").write_text("mine")
    with monkeypatch.context() as patched:
        patched.setattr(AudioToImagePipeline, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))
        error = draw(*sounds[:2]).exception
        assert isinstance(error, InputError)
        assert str(error) == "koala.png exists; give another name with -o, or --force to overwrite it"
    assert files(folder) == ["koala.png"]
    assert (folder / "koala.png").read_text() == "mine"
    assert draw(*sounds[:2], "--force").exit_code == 0
    assert pixels(folder / "koala.png").shape == (16, 16, 3)


@pytest.fixture
def given(tmp_path):
    """Return files of an image, a mask and a control image."""
    paths = {name: tmp_path / f"{name}.png" for name in ("image", "mask", "control")}
    for number, path in enumerate(paths.values()):
        noise = np.random.default_rng(number).integers(0, 256, (16, 24, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return paths


def test_an_image_to_start_from(draw, folder, sounds, models, given):
    draw(sounds[0], "--image", given["image"], "--image-strength", 0.5, "--steps", 4, "--seed", 3)
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", task="image-to-image", device="cpu")
    expected = pipeline(sounds[0], image=given["image"], strength=0.5, seed=3, num_inference_steps=4).images[0][0]
    np.testing.assert_array_equal(pixels(folder / "elephant.png"), np.asarray(expected))
    about = Image.open(folder / "elephant.png").info
    assert (about["image"], about["image_strength"]) == (str(given["image"]), "0.5")
    assert not {"mask", "controlnet", "control_image", "lora", "scheduler", "dtype"} & about.keys()


def test_sizes_seam_and_background(draw, folder, sounds, models, given):
    Image.new("RGBA", (24, 16), (255, 0, 0, 128)).save(given["image"])
    arguments = "--image", given["image"], "--mask", given["mask"], "--background", "#000080", "--seam", 2
    for size, expected in (((), "16×16"), (("--image-size",), "24×16"), (("--width", 30, "--height", 18), "32×16")):
        result = draw(sounds[0], *arguments, *size, "--steps", 4, "--force")
        assert result.stdout.splitlines()[1] == f"  elephant.png  {expected}  seed 0", result.output
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", task="inpainting", device="cpu")
    mixed = Image.new("RGB", (24, 16), (128, 0, 64))
    images = {"image": mixed, "mask_image": given["mask"], "seam": 2, "height": 18, "width": 30}
    expected = pipeline(sounds[0], num_inference_steps=4, **images).images[0][0]
    assert np.abs(pixels(folder / "elephant.png").astype(int) - np.asarray(expected)).max() <= 2
    about = Image.open(folder / "elephant.png").info
    assert (about["background"], about["seam"]) == ("#000080", "2")


def test_all_conditioning_images_and_all_models(draw, folder, sounds, models, parts, given):
    result = draw(
        sounds[0],
        *("--image", given["image"], "--mask", given["mask"], "--controlnet", parts / "controlnet-sd"),
        *("--control-image", given["control"], "--control-scale", 0.7),
        *("--lora", f"{parts / 'lora-sd'}:0.4", "--scheduler", "dpm++", "--dtype", "bfloat16"),
        *("--attention-slicing", "--steps", 3),
    )
    assert result.exit_code == 0, result.output
    pipeline = AudioToImagePipeline.from_pretrained(
        models / "sd",
        task="inpainting",
        controlnet=[str(parts / "controlnet-sd")],
        lora=((str(parts / "lora-sd"), 0.4),),
        scheduler="dpm++",
        dtype=torch.bfloat16,
        attention_slicing=True,
        device="cpu",
    )
    expected = pipeline(
        sounds[0],
        image=given["image"],
        mask_image=given["mask"],
        control_image=given["control"],
        num_inference_steps=3,
        diffusion_arguments={"controlnet_conditioning_scale": 0.7},
    )
    np.testing.assert_array_equal(pixels(folder / "elephant.png"), np.asarray(expected.images[0][0]))
    about = Image.open(folder / "elephant.png").info
    for name, value in {
        "mask": given["mask"],
        "controlnet": parts / "controlnet-sd",
        "control_image": given["control"],
        "control_scale": 0.7,
        "lora": f"{parts / 'lora-sd'}:0.4",
        "scheduler": "dpm++",
        "dtype": "bfloat16",
    }.items():
        assert about[name] == str(value)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("a.safetensors", ("a.safetensors", 1.0)),
        ("a.safetensors:0.5", ("a.safetensors", 0.5)),
        ("owner/name:-1", ("owner/name", -1.0)),
        (r"C:\loras\a", (r"C:\loras\a", 1.0)),
        (r"C:\loras\a:2", (r"C:\loras\a", 2.0)),
    ],
)
def test_a_lora_may_have_a_weight(draw, sounds, monkeypatch, option, expected):
    asked = []
    monkeypatch.setattr(LOAD, lambda settings, **_: asked.append(settings.lora) or 1 / 0)
    assert isinstance(draw(sounds[0], "--lora", option).exception, ZeroDivisionError)
    assert asked == [(expected,)]


def test_flags_of_the_models_reach_the_pipeline(draw, sounds, models, monkeypatch):
    asked = []
    monkeypatch.setattr(LOAD, lambda settings, **_: asked.append(settings) or 1 / 0)
    draw(sounds[0], "--compile", "--offload", "model", "--attention-slicing")
    draw(sounds[0])
    model = str(models / "sd")
    assert asked == [
        PipelineSettings(model=model, compile=True, offload="model", attention_slicing=True),
        PipelineSettings(model=model),
    ]


def test_images_flagged_by_the_safety_checker_are_reported(draw, folder, sounds, parts):
    assert draw(sounds[0], "--diffusion", parts / "flagging").stdout.splitlines()[1] == (
        "  elephant.png  16×16  seed 0  black: the safety checker found it unsafe"
    )
    assert pixels(folder / "elephant.png").max() == 0
    for name, flagged in (("flagging", {"nsfw_content_detected": True}), ("passing", {})):
        result = draw(sounds[0], "--diffusion", parts / name, "--json", "--force")
        assert json.loads(result.stdout)["pictures"] == [
            {"file": "elephant.png", "width": 16, "height": 16, "seed": 0, **flagged}
        ]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mask", "{mask}"], "--mask must be given together with --image"),
        (["--seam", "2"], "--seam must be given together with --mask"),
        (["--image-strength", "0.5"], "--image-strength must be given together with --image"),
        (["--controlnet", "c"], "--controlnet and --control-image must be given together"),
        (["--control-image", "{control}"], "--controlnet and --control-image must be given together"),
        (
            ["--controlnet", "c", "--controlnet", "d", "--control-image", "{control}"],
            "--control-image must be given as often as --controlnet, 2 times; got it 1 times",
        ),
        (
            [*(("--controlnet", "c", "--control-image", "{control}") * 3), *(("--control-scale", "1") * 2)],
            "--control-scale must be given once, or 3 times; got it 2 times",
        ),
        (["--ip-adapter", "a.safetensors"], "--ip-adapter and --style must be given together"),
        (["--style", "{control}"], "--ip-adapter and --style must be given together"),
        (["--control-scale", "much"], "--control-scale must be a finite number; got much"),
        (["--control-scale", "1"], "--control-scale must be given together with --control-image"),
        (["--image", "missing.png"], "image missing.png cannot be read: No such file or directory"),
        (["--image", "{image}", "--image-strength", "0"], "--image-strength must be above 0 and at most 1; got 0"),
        (
            ["--image", "{image}", "--image-strength", "0.3"],
            "--image-strength 0.3 leaves none of 1 --steps; raise one of them",
        ),
        (
            ["--negative", "missing.wav"],
            "negative must be one of empty, silence, noise, none, text:WORDS or a recording",
        ),
        (["--steps", "0"], "--steps must be at least 1; got 0"),
        (["--seed", "-1"], "--seed must be at least 0; got -1"),
        (["--dtype", "int8"], "--dtype must be one of float32, float16, bfloat16; got int8"),
        (["--width", "64"], "--width must be given together with --height"),
        (["--text-place", "after"], "--text-place must be given together with --text"),
        (
            ["--scheduler", "ddpm"],
            "--scheduler must be one of ddim, euler, euler-a, dpm++, unipc, lcm, tcd, with options as in ",
        ),
        (["--offload", "all"], "--offload must be one of model, sequential; got all"),
        (["--offload", "sequential", "--compile"], "--compile cannot be combined with --offload sequential"),
    ],
)
def test_wrong_settings_are_reported_before_a_model_is_loaded(draw, folder, sounds, given, arguments, message):
    error = draw(sounds[0], *(argument.format(**given) for argument in arguments)).exception
    assert isinstance(error, InputError)
    assert str(error).startswith(message)
    assert files(folder) == []


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "0"], "--images must be at least 1; got 0"),
        (
            ["-o", "a.jpg", "--images", "2"],
            "-o must be a file that ends in .png, or a folder, which is created if its name ends in a slash; got a.jpg",
        ),
        (["-o", "missing/a.png"], "-o: the folder missing does not exist; create it"),
        (
            ["koala.wav", "-o", "a.png"],
            "-o must be a folder for 2 inputs, but a.png is not a folder; create it, or end its name in a slash",
        ),
        (["other/elephant.ogg"], "elephant.wav and other/elephant.ogg would both be written to elephant.png; "),
        (
            ["http://x.org/a/elephant.mp3?b=c"],
            "elephant.wav and http://x.org/a/elephant.mp3?b=c would both be written ",
        ),
    ],
)
def test_targets_are_checked_before_a_model_is_loaded(draw, folder, arguments, message):
    error = draw("elephant.wav", *arguments).exception
    assert isinstance(error, InputError)
    assert str(error).startswith(message)
    assert files(folder) == []


@pytest.mark.usefixtures("no_model")
@pytest.mark.usefixtures("no_model")
def test_an_unreadable_recording_is_reported_before_a_model_is_loaded(draw, folder, sounds, tmp_path):
    bad = [tmp_path / "bad.wav", tmp_path / "worse.wav"]
    for path in bad:
        path.write_text("not a sound")
    for arguments in (bad[:1], [sounds[0], bad[0], "--mix", "1,1"]):
        error = draw(*arguments).exception
        assert isinstance(error, InputError)
        assert "bad.wav: not an audio or video file" in str(error)
    result = draw(*bad)
    assert result.exit_code == 2
    assert result.stderr.endswith("photism: 0 of 2 recordings were processed\n")
    assert files(folder) == []


def test_an_interruption_keeps_finished_images_and_leaves_no_incomplete_file(
    draw, folder, sounds, models, monkeypatch, capsys
):
    (folder / "koala.png").write_text("mine")
    write = Path.write_bytes

    def interrupted(path, data):
        write(path, data[:9] if "koala" in path.name else data)
        if "koala" in path.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    arguments = ["draw", "--force", "--steps", "1", "--model", models / "sd", *sounds]
    monkeypatch.setattr(sys, "argv", ["photism", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    assert exit_info.value.code == 130
    assert files(folder) == ["elephant.png", "koala.png"]
    assert pixels(folder / "elephant.png").shape == (16, 16, 3)
    assert (folder / "koala.png").read_text() == "mine"
    captured = capsys.readouterr()
    assert "koala.wav" not in captured.out
    assert captured.err == ""


def test_the_examples_of_the_help_run(folder, capsys, monkeypatch):
    names = ("elephant.en", "banana.es")
    for name in names:
        shutil.copy(bundled_model() / "examples" / f"{name}.ogg", folder)
    for line in (line.strip() for line in draw_verb.__doc__.partition("Examples:")[2].splitlines()):
        if line:
            monkeypatch.setattr(sys, "argv", shlex.split(line))
            with pytest.raises(SystemExit) as exit_info:
                command.main()
            assert not exit_info.value.code
    numbered = [f"elephant.en-{number}.png" for number in range(1, 5)]
    assert [name for name in files(folder) if name.endswith(".png")] == numbered
    assert [name for name in files(Path("images")) if name.endswith(".png")] == ["banana.es.png", "elephant.en.png"]


def test_a_folder_is_drawn_into_a_folder_and_the_same_command_goes_on(draw, folder, recordings_folder):
    result = draw(str(recordings_folder), "-o", "images/", "--seed", "3")
    assert result.exit_code == 2
    assert "2 of 3 recordings were processed, 1 error in images/errors.jsonl" in result.stderr
    assert files(folder / "images")[-3:] == ["errors.jsonl", "one.png", "two.png"]
    draw(str(recordings_folder / "one.wav"), "-o", "single.png", "--seed", "3")
    assert_same_image(folder / "single.png", folder / "images/one.png")
    assert Image.open(folder / "images/one.png").text["seed"] == "3"
    (recordings_folder / "broken.wav").unlink()
    again = draw(str(recordings_folder), "-o", "images/", "--seed", "3")
    assert again.exit_code == 0
    assert "2 of 2 recordings were processed (2 before)" in again.stderr


@pytest.fixture
def recordings_folder(tmp_path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for number, name in enumerate(("one", "two")):
        write_wav(sounds / f"{name}.wav", np.random.default_rng(number).standard_normal(8000) / 10)
    (sounds / "broken.wav").write_text("no sound")
    return sounds


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "-o must be a folder"),
        (["-o", "x.png"], "-o must be a folder"),
        (["-o", "x/", "--json"], "--mix, --morph and --json are for single recordings"),
        (["-o", "x/", "--ray-workers", "2"], "--ray-workers needs --ray"),
    ],
)
def test_what_a_folder_of_recordings_cannot_have_is_refused(draw, folder, recordings_folder, no_model, flags, message):
    result = draw(str(recordings_folder), *flags)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
