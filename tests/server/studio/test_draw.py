"""The Draw tab: pictures of a recording, previews, Stop, pictures to start from, masks, mixing, LoRAs."""

import re
import shutil
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from photism import load_waveform
from photism.audio.writing import write_waveform
from tests.server.serving import served
from tests.server.studio.listening import reopen

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
expect = sync_api.expect

RATE = 16_000
ELEPHANT = "A drawing of: an elephant"


def choose_example(page, name="elephant"):
    page.get_by_role("toolbar", name="Examples").get_by_role("button", name=name).click()
    expect(page.get_by_role("button", name="Play", exact=True).first).to_be_enabled()
    expect(page.locator(".recording-name")).to_contain_text(name)


def choose_samples(page, path, samples):
    write_waveform(samples, path, sampling_rate=RATE, title="", about={})
    page.get_by_label("Choose a file").first.set_input_files(path)
    expect(page.locator(".recording-name")).to_contain_text(path.name)


def draw(page):
    page.get_by_role("button", name="Draw", exact=True).click()


def result(page):
    return page.get_by_role("region", name="Result")


def set_number(page, label, value):
    box = page.get_by_role("spinbutton", name=label, exact=True)
    box.fill(str(value))
    return box


def record_forms(page):
    """Let the page keep the forms that it sends: Chromium does not show those with files to Playwright."""
    page.evaluate(
        """() => {
          const send = window.fetch;
          window.expectForm = () => new Promise((resolve) => {
            window.fetch = (url, options) => {
              if (options?.body instanceof FormData) resolve(options.body);
              return send(url, options);
            };
          });
        }"""
    )


def sent_form(page):
    return form_sent_by(page, page.get_by_role("button", name="Draw", exact=True))


def form_sent_by(page, button):
    """Press a button, and return the values of the form that is sent, by their names; those that are files as bytes."""
    page.evaluate("() => { window.form = window.expectForm(); }")
    button.click()
    values = page.evaluate(
        """async () => Promise.all([...(await window.form)].map(async ([name, value]) =>
          typeof value === "string" ? [name, value] : [name, [...new Uint8Array(await value.arrayBuffer())]]))"""
    )
    found = {}
    for name, value in values:
        found.setdefault(name, []).append(value if isinstance(value, str) else bytes(value))
    return found


def count_previews(page):
    """Let the page count how often its pictures are previews."""
    page.evaluate(
        """() => {
          window.previews = 0;
          new MutationObserver(() => document.querySelector(".is-preview") && window.previews++)
            .observe(document.querySelector(".draw-pictures"), { childList: true });
        }"""
    )


def test_a_recording_is_drawn_with_previews_and_what_was_recognised(open_studio):
    page = open_studio("#draw?steps=20&images=2")
    count_previews(page)
    choose_example(page)  # which is drawn at once
    expect(result(page).get_by_role("img", name=ELEPHANT)).to_have_count(2)
    assert page.evaluate("window.previews") >= 1
    expect(result(page).get_by_role("img", name="Preview")).to_have_count(0)
    expect(result(page)).to_contain_text("An elephant")
    similarity = result(page).get_by_role("meter", name="Similarity").first
    expect(similarity).to_have_attribute("aria-valuenow", re.compile(r"^[01]\."))
    expect(result(page).get_by_text(re.compile(r"^Similarity [01]\.\d\d$")).first).to_be_visible()
    expect(page.locator("#announcer")).to_have_text(ELEPHANT)
    with page.expect_download() as download:
        result(page).get_by_role("button", name="Download").nth(1).click()
    assert download.value.suggested_filename == "elephant.en - an elephant - seed 1.png"


@pytest.mark.slow
def test_a_drawing_of_the_history_is_shown_again(open_studio):
    page = open_studio("#draw?steps=2&images=2")
    choose_example(page)
    expect(result(page).get_by_role("img", name=ELEPHANT)).to_have_count(2)
    reopen(page, "Draw")
    expect(result(page).get_by_role("img", name=ELEPHANT)).to_have_count(2)
    expect(result(page)).to_contain_text("An elephant")
    with page.expect_download() as download:
        result(page).get_by_role("button", name="Download").nth(1).click()
    assert download.value.suggested_filename == "elephant.en - an elephant - seed 1.png"
    assert page.get_by_role("spinbutton", name="Steps", exact=True).input_value() == "2"


@pytest.mark.slow
def test_a_recording_is_drawn_when_it_stops(open_studio):
    """The microphone of the tests beeps once a second: that is not called a farm."""
    page = open_studio("#draw?steps=2")
    page.get_by_role("button", name="Record", exact=True).first.click()
    page.get_by_role("button", name="Stop", exact=True).click(delay=700)
    expect(result(page).get_by_role("img", name="A drawing of a sound that was not recognised")).to_be_visible()


def noise():
    return np.random.default_rng(0).normal(0, 0.1, 2 * RATE)


def sentence():
    """Return a sentence of none of the words that the model knows."""
    speaker = shutil.which("espeak-ng")
    if speaker is None:
        pytest.skip("needs espeak-ng to speak a sentence")
    text = "The meeting has been moved to next Thursday afternoon"
    spoken = subprocess.run([speaker, "-v", "en", "--stdout", text], capture_output=True, check=True).stdout
    return load_waveform(BytesIO(spoken)).samples


@pytest.mark.slow
@pytest.mark.parametrize("samples", [noise, sentence])
def test_what_the_model_does_not_know_is_not_called_a_farm(open_studio, tmp_path, samples):
    page = open_studio("#draw?steps=2")
    choose_samples(page, tmp_path / "unknown.wav", samples())
    draw(page)
    expect(result(page)).to_contain_text("No known sound recognised")
    expect(result(page).get_by_text(re.compile(r"^Closest guess: [^\d]+$"))).to_be_visible()
    expect(result(page).get_by_role("img")).to_have_attribute("alt", "A drawing of a sound that was not recognised")


@pytest.mark.slow
def test_silence_is_nothing_to_hear(open_studio, tmp_path):
    page = open_studio("#draw?steps=2")
    choose_samples(page, tmp_path / "silence.wav", np.zeros(2 * RATE))
    draw(page)
    expect(result(page)).to_contain_text("There is nothing to hear")
    expect(result(page)).not_to_contain_text("Closest guess")


@pytest.mark.slow
def test_a_problem_of_a_recording_is_gone_with_it(open_studio, tmp_path):
    page = open_studio("#draw?steps=2")
    choose_samples(page, tmp_path / "long.wav", np.zeros(61 * RATE))
    draw(page)
    problem = page.locator("#panel-draw").get_by_role("alert")
    expect(problem).to_contain_text("Too long")
    choose_samples(page, tmp_path / "noise.wav", noise())
    expect(problem).to_have_count(0)


@pytest.mark.slow
def test_stop_and_mistakes_keep_the_last_picture(open_studio):
    page = open_studio("#draw?steps=2")
    choose_example(page)
    draw(page)
    picture = result(page).get_by_role("img", name=ELEPHANT)
    expect(picture).to_be_visible()
    steps = set_number(page, "Steps", 900)
    draw(page)
    expect(page.get_by_text(re.compile("^Step [1-9]"))).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped.", exact=True).first).to_be_visible()
    expect(picture).to_be_visible()
    steps.fill("0")
    draw(page)
    expect(page.get_by_role("alert").filter(has_text="Steps")).to_be_visible()
    expect(picture).to_be_visible()


@pytest.mark.slow
def test_a_painted_mask_changes_its_part_of_a_picture_only(open_studio):
    page = open_studio("#draw?steps=2")
    record_forms(page)
    choose_example(page)
    draw(page)
    result(page).get_by_role("button", name="Start from this").click()
    canvas = page.get_by_role("application", name="Paint where the picture changes")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"], steps=4)
    page.mouse.up()
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown", " "):  # from the middle
        page.keyboard.press(key)
    page.get_by_role("button", name="Undo").click()
    parts = sent_form(page)
    mask = np.asarray(Image.open(BytesIO(parts["mask"][0])).convert("L"))
    start = np.asarray(Image.open(BytesIO(parts["image"][0])).convert("RGB"))
    assert mask.shape == start.shape[:2] == (128, 128)
    painted = mask >= 128
    assert painted[32, 40:90].all()
    assert 0.03 < painted.mean() < 0.15  # the dot of the keyboard was undone
    assert not painted[80:].any()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    with page.expect_download() as download:
        result(page).get_by_role("button", name="Download").click()
    drawn = np.asarray(Image.open(download.value.path()).convert("RGB"))
    assert (drawn[~painted] == start[~painted]).all()
    assert (drawn[painted] != start[painted]).any()


@pytest.mark.slow
def test_the_mask_is_painted_by_keys_alone(open_studio, tmp_path):
    page = open_studio("#draw?steps=2")
    record_forms(page)
    choose_example(page)
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "teal.png")
    page.get_by_text("Start from a picture").click()
    page.locator(".start-image input[type=file]").set_input_files(tmp_path / "teal.png")
    canvas = page.get_by_role("application", name="Paint where the picture changes")
    canvas.focus()
    page.keyboard.down(" ")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.up(" ")
    page.keyboard.press("e")
    expect(page.get_by_role("button", name="Eraser")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Invert").click()
    mask = np.asarray(Image.open(BytesIO(sent_form(page)["mask"][0])).convert("L"))
    assert mask.shape == (200, 300)
    assert mask[100, 150] < 128 < mask[10, 10]
    expect(result(page).get_by_role("img", name=ELEPHANT)).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    parts = sent_form(page)
    assert {"image", "file"} <= parts.keys()
    assert "mask" not in parts
    page.get_by_role("button", name="Remove the picture").click()
    assert "image" not in sent_form(page)


@pytest.mark.slow
def test_a_file_that_is_no_picture_is_refused_in_words(open_studio, tmp_path):
    page = open_studio("#draw")
    (tmp_path / "a.png").write_bytes(b"no picture")
    page.get_by_text("Start from a picture").click()
    page.locator(".start-image input[type=file]").set_input_files(tmp_path / "a.png")
    expect(page.get_by_role("alert").filter(has_text="a.png is not a picture that can be opened.")).to_be_visible()


@pytest.mark.slow
def test_numbers_that_cannot_be_used_are_explained_in_the_language_of_the_page(open_studio, recordings_by_name):
    page = open_studio("#draw", language="fr")
    page.locator(".examples .chip").first.click()
    expect(page.locator(".recording-name")).to_be_visible()
    button, alert = page.locator(".draw .run .button.primary"), page.locator(".draw .run .error")
    for seed, words in (("1.5", "« Graine » demande un nombre entier."), ("-1", "« Graine » doit être au moins 0.")):
        page.locator("[data-field=seed] input").fill(seed)
        button.click()
        expect(alert).to_have_text(words)
    page.locator("[data-field=seed] input").fill("")
    page.locator(".mixing summary").click()
    page.locator(".mixing input[type=file]").set_input_files(recordings_by_name["strawberry.fr.ogg"])
    page.locator(".mix-mode input[value=morph]").check()
    page.locator(".mix-mode input[type=number]").fill("99")
    button.click()
    expect(alert).to_have_text("Le nombre d’images sur le chemin doit être de 2 à 16.")


@pytest.mark.slow
def test_recordings_are_mixed_by_weights_and_turned_into_one_another(open_studio, recordings_by_name):
    page = open_studio("#draw?steps=2")
    record_forms(page)
    choose_example(page)
    page.get_by_text("Mix with other recordings").click()
    page.locator(".mixing input[type=file]").set_input_files(recordings_by_name["strawberry.fr.ogg"])
    weight = page.get_by_role("slider", name="Weight of strawberry.fr.ogg")
    weight.fill("2")
    assert sent_form(page)["mix"] == ["1,2"]
    expect(result(page).get_by_role("img", name="A drawing of: an elephant + a strawberry")).to_be_visible()
    page.get_by_label("A movement from the first to the second").check()
    page.get_by_label("Number of pictures on the way").fill("3")
    draw(page)
    expect(result(page).get_by_role("slider", name="Place between the two")).to_be_visible()
    strip = result(page).get_by_role("button").locator("img")
    assert strip.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [3 * 128, 128]
    result(page).get_by_role("button", name="Play").click()
    expect(result(page).get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Remove strawberry.fr.ogg").click()
    expect(page.get_by_label("A movement from the first to the second")).to_be_hidden()


@pytest.mark.slow
def test_pictures_are_enlarged_and_turned_with_the_arrow_keys(open_studio):
    page = open_studio("#draw?steps=2&images=3")
    choose_example(page)
    draw(page)
    result(page).get_by_role("button", name=ELEPHANT).first.click()
    dialog = page.get_by_role("dialog", name="Picture")
    expect(dialog).to_contain_text("1 of 3")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("2 of 3")
    record_forms(page)
    assert int(form_sent_by(page, dialog.get_by_role("button", name="More like this"))["seed"][0]) > 0
    expect(dialog).to_be_hidden()


@pytest.mark.slow
def test_pictures_are_dropped_and_pasted(open_studio):
    """As files of a drag and of the clipboard, which tests cannot make in another way."""
    page = open_studio("#draw")
    transfer = """async type => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
      const blob = await new Promise(resolve => canvas.toBlob(resolve));
      const data = new DataTransfer();
      data.items.add(new File([blob], `${type}.png`, { type: "image/png" }));
      const event = type === "paste"
        ? new ClipboardEvent(type, { clipboardData: data, bubbles: true })
        : new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
      document.querySelector(".start-image").dispatchEvent(event);
    }"""
    for name in ("drop", "paste"):
        page.evaluate(transfer, name)
        expect(page.locator(".start-image")).to_contain_text(f"{name}.png")


@pytest.mark.slow
@pytest.mark.parametrize(("language", "name"), [("fr-FR", "éléphant"), ("zh-CN", "象")])
def test_what_was_recognised_is_said_in_the_language_of_the_page(open_studio, language, name):
    page = open_studio("#draw?steps=2", language=language)
    if page.evaluate("document.documentElement.lang") == "en":
        pytest.skip(f"the page has no {language} yet")
    page.locator(".examples button").filter(has_text="elephant").click()
    expect(page.locator(".recording-name")).to_contain_text("elephant")
    page.locator(".draw-start .primary").click()
    expect(page.locator(".draw-about .heard-caption")).to_contain_text(re.compile(name, re.IGNORECASE))
    expect(page.locator(".draw-pictures img")).to_have_attribute("alt", re.compile(name, re.IGNORECASE))


@pytest.mark.slow
def test_silence_is_called_silence(open_studio, tmp_path):
    write_waveform(np.zeros(16_000), tmp_path / "silence.wav", sampling_rate=16_000, title="", about={})
    page = open_studio("#draw?steps=2")
    page.get_by_label("Choose a file").first.set_input_files(tmp_path / "silence.wav")
    expect(page.locator(".recording-name")).to_contain_text("silence.wav")
    draw(page)
    expect(result(page)).to_contain_text("There is nothing to hear")


@pytest.mark.slow
def test_without_a_recording_the_button_says_what_to_do(studio):
    draw(studio)
    expect(studio.get_by_role("alert").filter(has_text="Record something first")).to_be_visible()


@pytest.mark.slow
def test_the_history_draws_again_with_the_same_files(open_studio, recordings_by_name):
    page = open_studio("#draw?steps=2&seed=5")
    choose_example(page)
    page.get_by_text("Mix with other recordings").click()
    page.locator(".mixing input[type=file]").set_input_files(recordings_by_name["tomato.ru.ogg"])
    draw(page)
    expect(result(page).get_by_role("img", name=re.compile(r"^A drawing of"))).to_be_visible()
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.locator("#history").get_by_role("option").first.click()
    record_forms(page)
    parts = form_sent_by(page, page.get_by_role("button", name="Once more"))
    assert (parts["mix"], parts["seed"], parts["steps"], len(parts["file"])) == (["1,1"], ["5"], ["2"], 2)


@pytest.fixture
def recordings_by_name():
    from photism.hub import bundled_model

    return {path.name: path for path in (bundled_model() / "examples").glob("*.ogg")}


@pytest.fixture
def inked_url(models, parts):
    """Return the address of a server whose model has a LoRA."""
    from photism.prompts.settings import PipelineSettings
    from photism.server.app import create_app, open_services
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.registry import ModelRegistry
    from photism.server.operations.shutdown import Shutdown
    from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

    lora = ((str(parts / "lora-sd"), 0.7),)
    entry = ModelEntry("inked", "drawing", PipelineSettings(model=str(models / "sd"), device="cpu", lora=lora))
    registry = ModelRegistry((entry,), LimitSettings())
    options = {"address": AddressSettings(), "access": AccessSettings(), "limits": LimitSettings()}
    with open_services(registry, **options, shutdown=Shutdown()) as services, served(create_app(services)) as url:
        yield f"{url}/"
    registry.close(10)


@pytest.mark.slow
def test_loras_of_the_chosen_model_have_sliders(open_studio, inked_url):
    page = open_studio("#draw?steps=2&model=inked", url=inked_url)
    record_forms(page)
    choose_example(page)
    expect(page.get_by_label("Model")).to_have_value("inked")
    page.get_by_text("Styles (LoRA)").click()
    slider = page.get_by_role("slider", name="lora-sd")
    expect(slider).to_have_value("0.7")
    slider.fill("0.2")
    assert sent_form(page)["lora"] == ["lora-sd:0.2"]
    expect(result(page).get_by_role("img", name=re.compile("^A drawing of"))).to_be_visible()
    page.get_by_label("Model").select_option("tiny")
    expect(page.get_by_text("Styles (LoRA)")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_inaccessible(open_studio, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_studio("#draw?steps=2", width=width, color_scheme=scheme)
    choose_example(page)
    draw(page)
    result(page).get_by_role("button", name="Start from this").click()
    page.get_by_text("Mix with other recordings").click()
    page.get_by_text("All settings").first.click()
    page.get_by_text("Other guesses").click()
    found = axe.run(page).response["violations"]
    assert [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_the_picture_that_was_chosen_last_stays(open_studio, tmp_path):
    slow = """
      const open = createImageBitmap;
      window.createImageBitmap = async (file) => {
        const bitmap = await open(file);
        if (file.name === "first.png") await new Promise((resolve) => (window.openFirst = resolve));
        return bitmap;
      };
    """
    page = open_studio(init_script=slow)
    page.get_by_text("Start from a picture").click()
    picker = page.locator(".start-image input[type=file]")
    for name in ("first.png", "second.png"):
        Image.new("RGB", (30, 20), "teal").save(tmp_path / name)
        picker.set_input_files(tmp_path / name)
    chosen = page.locator(".start-image bdi")
    expect(chosen).to_have_text("second.png")
    page.evaluate("openFirst()")
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(chosen).to_have_text("second.png")


@pytest.mark.slow
def test_limits_and_what_a_link_leaves_out_are_said_and_a_picture_to_start_from_is_in_sight(open_studio):
    page = open_studio("#draw?steps=1")
    page.set_viewport_size({"width": 390, "height": 844})
    choose_example(page)
    draw(page)
    result(page).get_by_role("button", name="Start from this").click()
    expect(page.locator(".mask-canvas")).to_be_in_viewport(ratio=0.9)
    page.get_by_role("button", name="Copy link").first.click()
    expect(page.get_by_text("Pictures, masks and other recordings that you chose")).to_be_visible()
    set_number(page, "Number of pictures", 100000)
    draw(page)
    expect(page.get_by_role("alert").filter(has_text="must be at most")).to_be_visible()
