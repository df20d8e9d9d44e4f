"""The tab Transcribe: words that light up, are corrected, and are saved as files."""

import json
import re

import pytest

from tests.server.studio.listening import choose, choose_example, open_tab, reopen, saved, spoken, trim_start

expect = pytest.importorskip("playwright.sync_api").expect

WORDS = [
    {"text": "goo", "start_s": 0.1, "end_s": 0.3, "confidence": 0.4},
    {"text": "dmorning", "start_s": 0.4, "end_s": 0.8, "confidence": 0.9},
    {"text": "Anna", "start_s": 0.9, "end_s": 1.1, "confidence": 0.9},
]


def answer(page, words, *, steps=(), **fields):
    """Let the server answer with these words, and send words of `steps` before."""
    result = {"file": "elephant.en.ogg", "text": " ".join(word["text"] for word in words), "duration_s": 1.14}
    events = [("words", {"words": each}) for each in steps]
    events.append(("result", {**result, "windows": 1, "words": words, **fields}))
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    page.route("**/v1/transcribe", lambda route: route.fulfill(body=body, content_type="text/event-stream"))


def transcribe(panel):
    panel.get_by_role("button", name="Transcribe", exact=True).click()


def word(panel, text):
    return panel.locator(".transcript").get_by_role("button", name=text, exact=True)


def texts(panel):
    return panel.locator(".word").all_inner_texts()


@pytest.fixture
def shown(studio):
    """Return the page and the tab with the transcript `WORDS`."""
    answer(studio, WORDS)
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Transcribe")
    transcribe(panel)
    expect(panel.locator(".word")).to_have_text(["goo", "dmorning", "Anna"])
    return studio, panel


def test_words_are_recognised_corrected_and_saved(studio):
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Transcribe")
    transcribe(panel)
    expect(panel.locator(".word").first).to_be_visible()
    timeline = studio.locator("#recording").get_by_role("slider", name="Timeline")
    first = texts(panel)[0]
    expect(timeline).to_have_attribute("aria-valuetext", re.compile(f"^{first}, 0:00"))
    word(panel, first).dblclick()
    box = panel.get_by_role("textbox", name=f"Correct “{first}”")
    box.fill("An elephant")
    box.press("Enter")
    assert texts(panel)[:2] == ["An", "elephant"]
    expect(timeline).to_have_attribute("aria-valuetext", re.compile("^An, 0:00"))
    name, text = saved(studio, panel, "Subtitles (SRT)")
    assert name == "elephant.en.srt"
    assert text.startswith("1\n00:00:00,000 --> ")
    assert text.splitlines()[2].startswith("An elephant ")


@pytest.mark.slow
def test_a_word_is_lit_while_it_is_spoken_and_a_click_goes_there(shown):
    page, panel = shown
    word(panel, "Anna").click()
    expect(page.locator("#recording")).to_contain_text("0:00.9 / 0:01.1")
    expect(word(panel, "Anna")).to_have_class(re.compile(r"\blit\b"))
    page.keyboard.press("ArrowLeft")
    expect(word(panel, "dmorning")).to_be_focused()
    expect(word(panel, "dmorning")).to_have_class(re.compile(r"\blit\b"))
    expect(panel.locator(".lit")).to_have_count(1)
    choose_example(page, "banana")  # whose times these are not
    page.locator("#recording").get_by_role("button", name="Play", exact=True).click()
    word(panel, "Anna").click()
    expect(word(panel, "dmorning")).to_have_class(re.compile(r"\blit\b"))


@pytest.mark.slow
def test_words_are_corrected_by_keyboard_with_undo_and_reset(shown):
    page, panel = shown
    word(panel, "goo").click()
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.type("d")
    page.keyboard.press("Tab")  # corrects, and goes on to the next word
    expect(panel.get_by_role("textbox", name="Correct “dmorning”")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    assert texts(panel) == ["good", "morning", "Anna"]
    expect(word(panel, "morning")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    page.keyboard.press("Backspace")  # joins it with the word before
    page.keyboard.type("-")
    page.keyboard.press("Enter")
    assert texts(panel) == ["good-morning", "Anna"]
    page.keyboard.press("Enter")
    page.keyboard.type("never")
    page.keyboard.press("Escape")
    assert texts(panel) == ["good-morning", "Anna"]
    word(panel, "Anna").click()
    page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")  # an empty box removes the word
    assert texts(panel) == ["good-morning"]
    page.keyboard.press("Control+z")
    assert texts(panel) == ["good-morning", "Anna"]
    page.keyboard.press("Control+Shift+Z")
    assert texts(panel) == ["good-morning"]
    panel.get_by_role("button", name="Undo all corrections").click()
    expect(panel.locator(".word")).to_have_text(["goo", "dmorning", "Anna"])
    panel.get_by_role("button", name="Undo", exact=True).click()
    assert texts(panel) == ["good-morning"]


@pytest.mark.slow
def test_corrected_words_keep_their_times_and_survive_a_reload(shown):
    page, panel = shown
    word(panel, "dmorning").dblclick()
    panel.get_by_role("textbox", name="Correct “dmorning”").fill("good morning")
    panel.get_by_role("button", name="Save", exact=True).focus()  # leaving the box corrects, too
    assert texts(panel) == ["goo", "good", "morning", "Anna"]
    _, text = saved(page, panel, "JSON")
    found = json.loads(text)
    assert found["text"] == "goo good morning Anna"
    times = [(each["start_s"], each["end_s"]) for each in found["words"]]
    assert times == [(0.1, 0.3), (0.4, 0.545), (0.545, 0.8), (0.9, 1.1)]
    expect(page.get_by_role("option", name="Transcribe: goo good morning Anna")).to_be_visible()
    reopen(page, "Transcribe")
    expect(panel.locator(".word")).to_have_text(["goo", "good", "morning", "Anna"])
    expect(panel.locator(".word").first).to_be_in_viewport()
    details = page.locator(".history-details")
    expect(details.locator("h3")).to_have_text("goo good morning Anna")
    expect(details.locator(".history-text")).to_have_text("goo good morning Anna")  # and no JSON
    expect(details).not_to_contain_text("undefined")
    panel.get_by_role("button", name="Undo all corrections").click()
    expect(panel.locator(".word")).to_have_text(["goo", "dmorning", "Anna"])


@pytest.mark.slow
def test_a_correction_is_kept_when_another_transcript_takes_its_place(shown):
    page, panel = shown
    word(panel, "goo").dblclick()
    page.keyboard.type("good")
    page.evaluate(  # while the word is being corrected
        "[...document.querySelectorAll('[role=tabpanel]:not([hidden]) .run .primary')].forEach(each => each.click())"
    )
    expect(page.locator("#history").get_by_role("option")).to_have_count(2)
    assert texts(panel) == ["goo", "dmorning", "Anna"]
    page.locator("#history").get_by_role("option").last.click()
    page.locator("#history").get_by_role("button", name="Open again").click()
    expect(panel.locator(".word").first).to_have_text("good")


@pytest.mark.slow
def test_times_of_a_part_are_those_of_the_whole_recording(studio):
    answer(studio, WORDS)
    choose(studio, "words.wav", spoken("elephant", "banana"))
    trim_start(studio)
    panel = open_tab(studio, "Transcribe")
    transcribe(panel)
    word(panel, "Anna").click()
    position = studio.locator("#recording").get_by_role("slider", name="Position in the recording")
    expect(position).to_have_attribute("aria-valuenow", re.compile(r"^1\.9"))
    expect(word(panel, "Anna")).to_have_class(re.compile(r"\blit\b"))
    timeline = studio.locator("#recording").get_by_role("slider", name="Timeline")
    expect(timeline).to_have_attribute("aria-valuetext", "goo, 0:01.1 to 0:01.3")
    expect(panel.locator(".paragraph-time")).to_have_text("0:01.1")
    _, text = saved(studio, panel, "Subtitles (SRT)")
    assert text.splitlines()[1] == "00:00:01,100 --> 00:00:02,100"
    _, text = saved(studio, panel, "JSON")
    found = json.loads(text)
    assert [each["start_s"] for each in found["words"]] == [1.1, 1.4, 1.9]
    assert found["duration_s"] == 2.14


@pytest.mark.slow
def test_words_belong_to_the_recording_that_they_were_made_of(studio):
    routes = []
    studio.route("**/v1/transcribe", lambda route: routes.append(route))
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Transcribe")
    transcribe(panel)
    expect(panel.get_by_role("button", name="Stop")).to_be_visible()
    choose_example(studio, "banana")
    open_tab(studio, "Draw")
    result = {"file": "elephant.en.ogg", "text": "goo dmorning Anna", "duration_s": 1.14, "words": WORDS}
    routes[0].fulfill(body=f"event: result\ndata: {json.dumps(result)}\n\n", content_type="text/event-stream")
    expect(studio.get_by_role("option", name=re.compile("^Transcribe"))).to_be_visible()
    timeline = studio.locator("#recording").get_by_role("slider", name="Timeline")
    expect(timeline).to_have_count(0)
    open_tab(studio, "Transcribe")
    expect(panel).to_contain_text("elephant.en.ogg · 3 words")
    expect(timeline).to_have_count(0)
    name, _ = saved(studio, panel, "Text")
    assert name == "elephant.en.txt"


@pytest.mark.slow
def test_words_stay_when_the_server_has_too_much_to_do(studio):
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Transcribe")
    problem = {"type": "/problems/busy", "title": "Busy", "status": 503, "detail": "too many requests wait"}
    events = [("words", {"words": WORDS}), ("error", problem)]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    studio.route("**/v1/transcribe", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    transcribe(panel)
    expect(panel.get_by_role("alert")).to_contain_text("The server has too much to do")
    panel.get_by_role("button", name="Use the words so far").click()
    expect(panel.locator(".word")).to_have_text(["goo", "dmorning", "Anna"])


@pytest.mark.slow
def test_words_of_a_given_text_get_their_times(studio):
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Transcribe")
    panel.get_by_text("All settings").click()
    panel.locator("[data-field=transcript] textarea").fill("one two\nthree")
    transcribe(panel)
    expect(panel.locator(".word")).to_have_text(["one", "two", "three"])
    _, text = saved(studio, panel, "Subtitles (SRT)")
    assert [line for line in text.splitlines() if line[:1].isalpha()] == ["one two", "three"]  # the lines stay
    word(panel, "three").dblclick()
    studio.keyboard.type("four")
    studio.keyboard.press("Enter")
    _, text = saved(studio, panel, "Text")
    assert text == "one two four\n"


@pytest.mark.slow
def test_the_words_so_far_can_be_used_after_stop(studio):
    held = []
    studio.route("**/v1/transcribe", lambda route: held.append(route))
    choose(studio, "long.wav", spoken("elephant", "banana"))
    panel = open_tab(studio, "Transcribe")
    # A stream that stays open after its first words: the page reads it from a response that never ends.
    studio.evaluate(
        """words => {
            const fetched = window.fetch;
            window.fetch = (url, options) => String(url).includes("v1/transcribe")
                ? Promise.resolve(new Response(new ReadableStream({
                    start: stream => {
                        const event = `event: words\\ndata: ${JSON.stringify({words})}\\n\\n`
                            + 'event: progress\\ndata: {"done": 2, "total": 4}\\n\\n';
                        stream.enqueue(new TextEncoder().encode(event));
                        options.signal.addEventListener("abort", () => stream.error(options.signal.reason));
                    },
                }), {headers: {"Content-Type": "text/event-stream"}}))
                : fetched(url, options);
        }""",
        WORDS,
    )
    transcribe(panel)
    expect(panel.locator(".transcript-live")).to_have_text("goo dmorning Anna ")
    expect(panel.locator(".run-status")).to_have_text("0:02.0 of 0:04.0")
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_role("button", name="Use the words so far").click()
    expect(panel.locator(".word")).to_have_text(["goo", "dmorning", "Anna"])
    expect(panel).to_contain_text("The recording was transcribed up to here only.")
    assert not held


@pytest.mark.slow
def test_a_page_that_may_not_copy_says_what_to_do(shown):
    page, panel = shown
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as without https
    panel.get_by_role("button", name="Copy the text").click()
    expect(panel.get_by_role("alert")).to_have_text("This browser does not let the page copy. Save the words as text.")


@pytest.mark.slow
def test_ten_thousand_words_are_bounded_on_the_page(studio):
    words = [
        {"text": f"word{index}", "start_s": index * 0.36, "end_s": index * 0.36 + 0.3, "confidence": 0.9}
        for index in range(10_000)
    ]
    answer(studio, words, duration_s=3600)
    choose_example(studio, "elephant")
    panel = open_tab(studio, "Transcribe")
    transcribe(panel)
    expect(panel).to_contain_text("10,000 words")
    assert panel.locator(".word").count() == 10_000
    assert panel.locator(".transcript").bounding_box()["height"] < 500
    rows = studio.locator("#recording .timeline-table tbody tr")
    expect(rows.first).to_be_attached()
    assert rows.count() <= 400
    panel.locator(".word").nth(5000).dblclick()
    studio.keyboard.type("two words")
    studio.keyboard.press("Enter")
    expect(panel.locator(".word")).to_have_count(10_001)
    expect(panel.locator(".word").nth(5000)).to_have_text("two")


def test_times_of_words_that_are_split_or_joined(studio):
    found = studio.evaluate(
        """async () => {
            const main = document.querySelector("script[type=module]").src;
            const {EditedWords, indexAt, join, rewrite} = await import(new URL("listening/transcript_words.js", main));
            const {timelineItems} = await import(new URL("listening/transcript_formats.js", main));
            const characters = [..."abc"].map((text, index) => ({text, start_s: 1 + index / 4, end_s: 1.2 + index / 4,
                confidence: index / 2}));
            const word = {text: "abc", start_s: 1, end_s: 1.7, confidence: 0.5, characters};
            const times = words => words.map(({text, start_s, end_s}) => [text, start_s, end_s]);
            const edited = new EditedWords();
            edited.load([word, {...word, text: "d"}]);
            edited.replace(0, 1, []);
            edited.replace(0, 1, [word, word]);
            const states = [edited.words.length];
            edited.undo(); edited.undo();
            states.push(edited.words.length, edited.isChanged, edited.canUndo, edited.canRedo);
            const many = Array.from({length: 5000}, (_, index) => ({text: "a", start_s: index, end_s: index + 0.9}));
            return {
                same: rewrite(word, " abc ")[0] === word,
                byCharacters: times(rewrite(word, "a bc")),
                byLength: times(rewrite(word, "xy zz")),
                joined: times([join(...rewrite(word, "a bc"))]),
                none: rewrite(word, "  "),
                spoken: [0.9, 1.1, 1.9, 2.1].map(seconds => indexAt([word], seconds)),
                states,
                items: timelineItems(many, " ").length,
                last: timelineItems(many, " ").at(-1).endS,
            };
        }"""
    )
    assert found["same"]
    assert found["byCharacters"] == [["a", 1, 1.2], ["bc", 1.25, 1.7]]
    assert found["byLength"] == [["xy", 1, pytest.approx(1.35)], ["zz", pytest.approx(1.35), 1.7]]
    assert found["joined"] == [["abc", 1, 1.7]]
    assert found["none"] == []
    assert found["spoken"] == [-1, 0, 0, -1]
    assert found["states"] == [2, 2, False, False, True]
    assert found["items"] <= 400
    assert found["last"] == pytest.approx(4999.9)
