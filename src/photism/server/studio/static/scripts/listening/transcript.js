// @ts-check
/** A transcript in sight: its words, their timeline, what is missing, and the files that it can be saved as. */

import { Problem } from "../page/api.js";
import { h } from "../page/dom.js";
import { createExport } from "./export_menu.js";
import { formatNumber, t } from "../page/i18n.js";
import { createFollower, createKeeping, historyResults, inWholeRecording, isInPage, warningTexts } from "./listening.js";
import { recording } from "../recording/recording.js";
import { createTimeline } from "../recording/timeline.js";
import { createTranscriptEditor } from "./transcript_editor.js";
import { separatorOf, timelineItems, transcriptJson } from "./transcript_formats.js";

const FORMATS = ["srt", "vtt", "txt", "json", "tsv", "csv", "ctm", "textgrid"];
/** Words of a given text that are named if they were not found. */
const MAX_NAMED = 12;

/**
 * Create the place of a transcript.
 * @param {{history: any}} shared
 */
export const createTranscript = ({ history }) => {
  const editor = createTranscriptEditor();
  const head = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "listening.transcribe.empty" }));
  const copy = h("button", { class: "button quiet", type: "button", "data-t": "listening.copy" });
  const element = h("div", { class: "stack" }, head);
  /** @type {any} the answer of the server */
  let answer = null;
  /** @type {import("./listening.js").Source | null} */
  let source = null;
  /** @type {any} its entry in the history */
  let entry = null;
  /** @type {ReturnType<typeof createTimeline> | null} */
  let timeline = null;
  const keeping = createKeeping({ history, commit: editor.commit });
  const follower = createFollower({ source: () => source, showTime: editor.showTime });

  const json = (/** @type {"all" | "some" | "none"} */ characters) =>
    transcriptJson(answer, editor.words, { isChanged: editor.isChanged, characters });
  const rows = () => [{ label: "", items: timelineItems(editor.words, separatorOf(answer)) }];
  const results = () => {
    const recognised = editor.isChanged ? { recognised: editor.original } : {};
    return historyResults(source?.name ?? "", json("none").text, { ...answer, words: editor.words, ...recognised });
  };
  const kept = () => ({ results: results(), caption: json("none").text.slice(0, 120) });
  const menu = createExport({
    formats: () => FORMATS,
    result: () => inWholeRecording(json("some"), source),
    json: (perWord) => inWholeRecording(json(perWord ? "all" : "none"), source),
    recordingName: () => source?.name ?? "",
    fail: (problem) => made.onproblem(problem),
    commit: editor.commit,
    perWord: true,
  });
  copy.addEventListener("click", async () => {
    editor.commit();
    made.onproblem(null);
    try {
      await navigator.clipboard.writeText(json("none").text); // there is none on pages without https
    } catch {
      made.onproblem(new Problem({ type: "no-clipboard" }));
    }
  });
  editor.element.addEventListener("choose", (/** @type {CustomEvent} */ { detail: word }) => {
    if (source && isInPage(source)) recording.seek(source.offsetS + word.start_s);
  });
  editor.element.addEventListener("change", () => {
    timeline?.update(rows());
    keeping.later(entry, kept);
  });

  const made = {
    element,
    onproblem: (/** @type {unknown} */ _problem) => {},
    get recordingName() {
      return source?.name;
    },
    /**
     * Show a transcript.
     * @param {any} next answer of /v1/transcribe, or what the history keeps of one
     * @param {import("./listening.js").Source} from
     * @param {any} [own] its entry in the history
     */
    show: (next, from, own = null) => {
      keeping.flush();
      const { words, recognised: original = words, ...rest } = next;
      [answer, source, entry] = [{ ...rest, words: original }, from, own];
      editor.show(words, { original, separator: separatorOf(answer), offsetS: from.offsetS });
      head.replaceChildren(...notes(next, from).map((parts) => h("p", { class: "muted" }, ...parts)));
      element.replaceChildren(head, ...(words.length ? [editor.element, h("div", { class: "row" }, menu.element, copy)] : []));
      menu.show();
      timeline = words.length ? createTimeline({ rows: rows(), durationS: from.durationS, offsetS: from.offsetS }) : null;
      follower.setTimeline(timeline);
    },
    /** Keep the transcript in the history. */
    keep: (/** @type {Record<string, any>} */ settings) => {
      entry = history.add({ verb: "transcribe", recording: source?.file, name: source?.name, settings, ...kept() });
    },
    activate: follower.activate,
    deactivate: () => {
      keeping.flush();
      follower.deactivate();
    },
  };
  return made;
};

/** Return what is said above a transcript. @param {any} answer @param {import("./listening.js").Source} source */
const notes = ({ words, missing = [], warnings, isPart = false }, source) => {
  const named = missing.slice(0, MAX_NAMED).map((/** @type {any} */ { text }) => text).join(", ");
  return [
    words.length ? [h("bdi", {}, source.name), ` · ${t("listening.transcribe.count", { count: words.length, number: formatNumber(words.length) })}`] : [t("listening.transcribe.none")],
    ...(isPart ? [[t("listening.transcribe.part")]] : []),
    ...(missing.length ? [[t("listening.transcribe.missing", { count: missing.length, words: named + (missing.length > MAX_NAMED ? " …" : "") })]] : []),
    ...warningTexts(warnings).map((text) => [text]),
  ];
};
