// @ts-check
/** A transcript in sight: its words, their timeline, what is missing, and the files that it can be saved as. */

import { Problem } from "../page/api.js";
import { h } from "../page/dom.js";
import { createExport } from "./export_menu.js";
import { formatNumber, t } from "../page/i18n.js";
import { createFollower, createKeeping, historyResults, inWholeRecording, isInPage, warningTexts } from "./listening.js";
import { recording } from "../recording/recording.js";
import { createTimeline } from "../recording/timeline.js";
import { TranscriptEditor } from "./transcript_editor.js";
import { separatorOf, timelineItems, transcriptJson } from "./transcript_formats.js";

const FORMATS = ["srt", "vtt", "txt", "json", "tsv", "csv", "ctm", "textgrid"];
/** Words of a given text that are named if they were not found. */
const MAX_NAMED = 12;

/** @typedef {import("./listening.js").Source} Source */

/** The place of a transcript. */
export class Transcript {
  #history;
  #editor = new TranscriptEditor();
  #head = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "listening.transcribe.empty" }));
  /** @type {any} the answer of the server */
  #answer = null;
  /** @type {Source | null} */
  #source = null;
  /** @type {any} its entry in the history */
  #entry = null;
  /** @type {ReturnType<typeof createTimeline> | null} */
  #timeline = null;
  #commit = () => this.#editor.commit();
  #keeping;
  #follower = createFollower({ source: () => this.#source, showTime: (seconds) => this.#editor.showTime(seconds) });
  #menu = createExport({
    formats: () => FORMATS,
    result: () => inWholeRecording(this.#json("some"), this.#source),
    json: (perWord) => inWholeRecording(this.#json(perWord ? "all" : "none"), this.#source),
    recordingName: () => this.recordingName ?? "",
    fail: (problem) => this.onproblem(problem),
    commit: this.#commit,
    perWord: true,
  });
  #tools = h("div", { class: "row" }, this.#menu.element, h("button", { class: "button quiet", type: "button", "data-t": "listening.copy", onclick: () => this.#copy() }));
  element = h("div", { class: "stack" }, this.#head);

  /** @param {{history: any}} shared */
  constructor({ history }) {
    this.#history = history;
    this.#keeping = createKeeping({ history, commit: this.#commit });
    this.#editor.element.addEventListener("choose", (/** @type {CustomEvent} */ { detail: word }) => {
      if (this.#source && isInPage(this.#source)) recording.seek(this.#source.offsetS + word.start_s);
    });
    this.#editor.element.addEventListener("change", () => {
      this.#timeline?.update(this.#rows());
      this.#keeping.later(this.#entry, () => this.#kept());
    });
  }

  /** Is called with a problem of copying or saving, and with null before another attempt. */
  onproblem = (/** @type {unknown} */ _problem) => {};

  get recordingName() {
    return this.#source?.name;
  }

  /**
   * Show a transcript.
   * @param {any} next answer of /v1/transcribe, or what the history keeps of one
   * @param {Source} from
   * @param {any} [own] its entry in the history
   */
  show(next, from, own = null) {
    this.#keeping.flush();
    const { words, recognised: original = words, ...rest } = next;
    [this.#answer, this.#source, this.#entry] = [{ ...rest, words: original }, from, own];
    this.#editor.show(words, { original, separator: separatorOf(this.#answer), offsetS: from.offsetS });
    this.#head.replaceChildren(...notes(next, from).map((parts) => h("p", { class: "muted" }, ...parts)));
    this.element.replaceChildren(this.#head, ...(words.length ? [this.#editor.element, this.#tools] : []));
    this.#menu.show();
    const { durationS, offsetS } = from;
    this.#timeline = words.length ? createTimeline({ rows: this.#rows(), durationS, offsetS }) : null;
    this.#follower.setTimeline(this.#timeline);
  }

  /** Keep the transcript in the history. @param {Record<string, any>} settings */
  keep(settings) {
    const { file, name } = /** @type {Source} */ (this.#source);
    this.#entry = this.#history.add({ verb: "transcribe", recording: file, name, settings, ...this.#kept() });
  }

  activate() {
    this.#follower.activate();
  }

  deactivate() {
    this.#keeping.flush();
    this.#follower.deactivate();
  }

  /** @param {"all" | "some" | "none"} characters */
  #json(characters) {
    return transcriptJson(this.#answer, this.#editor.words, { isChanged: this.#editor.isChanged, characters });
  }

  #rows() {
    return [{ label: "", items: timelineItems(this.#editor.words, separatorOf(this.#answer)) }];
  }

  /** Return what the history keeps of the transcript. */
  #kept() {
    const { text } = this.#json("none");
    const recognised = this.#editor.isChanged ? { recognised: this.#editor.original } : {};
    const value = { ...this.#answer, words: this.#editor.words, ...recognised };
    return { results: historyResults(this.recordingName ?? "", text, value), caption: text.slice(0, 120) };
  }

  async #copy() {
    this.#commit();
    this.onproblem(null);
    try {
      await navigator.clipboard.writeText(this.#json("none").text); // there is none on pages without https
    } catch {
      this.onproblem(new Problem({ type: "no-clipboard" }));
    }
  }
}

/** Return what is said above a transcript. @param {any} answer @param {Source} source */
const notes = ({ words, missing = [], warnings, isPart = false }, source) => {
  const named = missing.slice(0, MAX_NAMED).map((/** @type {any} */ { text }) => text).join(", ");
  return [
    words.length ? [h("bdi", {}, source.name), ` · ${t("listening.transcribe.count", { count: words.length, number: formatNumber(words.length) })}`] : [t("listening.transcribe.none")],
    ...(isPart ? [[t("listening.transcribe.part")]] : []),
    ...(missing.length ? [[t("listening.transcribe.missing", { count: missing.length, words: named + (missing.length > MAX_NAMED ? " …" : "") })]] : []),
    ...warningTexts(warnings).map((text) => [text]),
  ];
};
