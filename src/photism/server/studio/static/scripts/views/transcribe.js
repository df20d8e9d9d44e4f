// @ts-check
/** Transcribe: the words of the recording, which light up as it plays, can be corrected, and are saved as subtitles. */

import * as api from "../page/api.js";
import { createChipsInput } from "../controls/chips_input.js";
import { createControls, modelChoice } from "../controls/controls.js";
import { announce, h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { arrange, openFromHistory, stateOf, takeSource } from "../listening/listening.js";
import { createRun, reveal } from "../page/run.js";
import { linkButton } from "../page/share_link.js";
import { createTextFileInput } from "../controls/text_file_input.js";
import { Transcript } from "../listening/transcript.js";

const PATH = "/v1/transcribe";
const CUSTOM = {
  hot_word: () => createChipsInput({ placeholder: "listening.transcribe.hot-words", splits: /[\n,;]/ }),
  transcript: () => createTextFileInput({ name: "text.txt", accept: ".txt,.srt,.vtt,text/plain", placeholder: "listening.transcribe.text" }),
};

export const view = {
  id: "transcribe",
  create: async (/** @type {any} */ { history }) => {
    const model = await modelChoice("recognizer");
    const controls = await createControls({ path: PATH, common: ["hot_word", "vad"], hidden: ["file", "model", "words"], custom: CUSTOM });
    const transcript = new Transcript({ history });
    const live = createLiveWords((words, source) => transcript.show({ words, text: "", duration_s: 0, isPart: true }, source));
    const settings = () => ({ ...controls.values(), model: /** @type {any} */ (model).value });

    const work = async (/** @type {any} */ { signal, progress }) => {
      const source = await takeSource();
      const given = settings();
      live.begin(source);
      const onEvent = (/** @type {string} */ name, /** @type {any} */ data) => {
        if (name === "words") live.add(data.words);
        else progress(stateOf(name, data) ?? {});
      };
      try {
        const answer = await api.stream(PATH, { ...given, words: true, file: source.file }, { signal, onEvent });
        live.end();
        transcript.show(answer, source);
        transcript.keep(given);
        announce(t("listening.transcribe.done", { count: answer.words.length }));
        reveal(transcript.element);
      } catch (problem) {
        live.offer();
        throw problem;
      }
    };
    const run = createRun({ label: "listening.transcribe.button", work, recording, recordingName: () => transcript.recordingName });
    transcript.onproblem = run.fail;

    const open = openFromHistory({
      id: "transcribe",
      history,
      controls,
      model,
      run,
      result: transcript.element,
      show: (value, source, entry) => transcript.show(value, source, entry),
    });
    const element = arrange({
      start: [run.element],
      result: [live.element, transcript.element],
      settings: [model, controls.element, linkButton("transcribe", settings)],
    });
    return { element, open, activate: () => transcript.activate(), deactivate: () => transcript.deactivate() };
  },
};

/**
 * Create the place where words appear while a recording is transcribed. After Stop or an error, it offers those so far.
 * @param {(words: any[], source: import("../listening/listening.js").Source) => void} onUse
 */
const createLiveWords = (onUse) => {
  const text = h("p", { class: "transcript-live", dir: "auto", "data-t-label": "listening.transcribe.live" });
  const use = h("button", { class: "button", type: "button", "data-t": "listening.transcribe.use-part", hidden: true });
  const element = h("div", { class: "stack", hidden: true }, text, use);
  /** @type {any[]} */
  let words = [];
  /** @type {any} */
  let source = null;
  use.addEventListener("click", () => {
    element.hidden = true;
    onUse(words, source);
  });
  return {
    element,
    begin: (/** @type {any} */ next) => {
      [words, source] = [[], next];
      text.replaceChildren();
      element.hidden = use.hidden = true;
    },
    add: (/** @type {any[]} */ next) => {
      words = [...words, ...next];
      text.append(next.map((word) => word.text).join(" "), " ");
      element.hidden = false;
      text.scrollTop = text.scrollHeight;
    },
    end: () => (element.hidden = true),
    offer: () => (use.hidden = words.length === 0),
  };
};
