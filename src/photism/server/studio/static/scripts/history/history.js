// @ts-check
/** What was made in this session: recordings, settings and results, which survive a reload of the page. */

import { loadCaptionNames } from "../catalogue/caption_names.js";
import { confirmed } from "../page/dialog.js";
import { resultName, save } from "../page/download.js";
import { HistoryPanel } from "./panel.js";
import { openStore } from "./store.js";
import { t } from "../page/i18n.js";
import { reveal } from "../page/run.js";
import { showNotice } from "../page/notice.js";
import { recording } from "../recording/recording.js";
import { copyLink } from "../page/share_link.js";

/**
 * @typedef {import("./store.js").Entry} Entry
 * @typedef {{open?: (entry: Entry) => unknown, again?: (entry: Entry) => unknown, vary?: (entry: Entry) => unknown,
 *   morph?: (entries: [Entry, Entry]) => unknown}} Handlers what a view does with an entry, when it is in sight and the
 *   recording is that of the entry
 */

/** @type {Awaited<ReturnType<typeof openStore>> | null} */
let store = null;
const opened = openStore().then((found) => {
  store = found;
  found.onDeleted = () => show();
  return found;
});
/** @type {Map<string, Handlers>} */
const handlers = new Map();
let openView = async (/** @type {string} */ _verb) => /** @type {any} */ (null);

const panel = new HistoryPanel({ act: (action, entry, other) => ACTIONS[action](entry, other), clear: () => clear() });

export const history = {
  panel: panel.element,
  button: panel.button,

  /** The entries, the newest first. */
  get entries() {
    return (store?.entries ?? []).toReversed();
  },

  /**
   * Show the history, whose entries can be opened in their views.
   * @param {{openView: (verb: string) => Promise<any>}} given openView: shows a view, and creates it if necessary
   */
  connect: (given) => {
    openView = given.openView;
    opened.then(showNamed);
  },

  /**
   * Say what a view does with its entries.
   * @param {string} verb
   * @param {Handlers} given
   */
  register: (verb, given) => handlers.set(verb, given),

  /**
   * Add what was made, and return the entry.
   * @param {Partial<Entry> & {verb: string}} made `recording` is a File; `settings` are fields by their names
   * @returns {Entry}
   */
  add: (made) => {
    const createdAt = Date.now();
    const id = `${createdAt.toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
    const name = made.recording instanceof File ? made.recording.name : "";
    const entry = { ...EMPTY, name, ...withoutNothing(made), settings: withoutNothing(made.settings ?? {}), id, createdAt, verb: made.verb };
    opened.then((found) => found.put(entry)).then(show);
    return entry;
  },

  /**
   * Change an entry, such as its results after a correction.
   * @param {Entry} entry
   * @param {Partial<Entry>} changes
   */
  update: async (entry, changes) => {
    Object.assign(entry, changes);
    const found = await opened;
    if (found.entries.includes(entry)) await found.put(entry); // not again if it was deleted, as in another tab
    show();
  },
};

/** What an entry has of which nothing is said. */
const EMPTY = { recording: null, seed: null, settings: {}, results: [], caption: null, known: null, shown: null };

/** @param {Record<string, any>} values */
const withoutNothing = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** Show the entries with the names of their captions in the language of the page. */
const showNamed = async () => {
  if (history.entries.some(({ caption }) => caption)) await loadCaptionNames();
  show();
};

const show = () => panel.show(history.entries, { isKept: store?.isKept ?? true });

/**
 * Set the recording of an entry back, show its view, and let it act.
 * @param {Entry} entry
 * @param {(own: Handlers) => unknown} act
 */
const inView = async (entry, act) => {
  if (entry.recording && !(await restoreRecording(entry))) return;
  const view = await openView(entry.verb);
  if (view?.element) reveal(view.element); // the history is below it
  const own = handlers.get(entry.verb);
  if (own) await act(own);
};

/** @param {Entry} entry */
const restoreRecording = async ({ recording: blob, name }) => {
  const type = blob?.type || "audio/wav";
  const file = new File([/** @type {Blob} */ (blob)], name || "recording.wav", { type });
  return (await recording.set(file, { name: file.name, origin: "history" })) !== false;
};

const clear = async () => {
  const isSure = await confirmed({ title: "history.clear.title", text: "history.clear.text", action: "history.clear" });
  if (!isSure) return;
  await (await opened).clear();
  show();
};

/** @type {Record<string, (entry: Entry, other?: Entry) => unknown>} */
const ACTIONS = {
  open: (entry) => inView(entry, (own) => own.open?.(entry)),
  again: (entry) => inView(entry, (own) => own.again?.(entry)),
  vary: (entry) => inView(entry, (own) => own.vary?.(entry)),
  morph: (entry, other) => inView(entry, (own) => own.morph?.([entry, /** @type {Entry} */ (other)])),
  download: ({ results, name, caption, seed }) => {
    results.forEach(({ blob, name: given }, index) => {
      const number = results.length > 1 && seed === null ? ` ${index + 1}` : "";
      const suffix = /\.\w+$/.exec(given)?.[0] ?? "";
      save(blob, resultName(name, caption, seed === null ? null : seed + index, number + suffix));
    });
  },
  link: ({ verb, settings, seed }) => copyLink(verb, seed === null ? settings : { ...settings, seed }),
  remove: async ({ id }) => {
    await (await opened).remove(id);
    show();
    showNotice(t("history.removed"));
  },
};
