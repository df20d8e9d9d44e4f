// @ts-check
/** The tabs of the page, in their order: the text of each, the kinds of models of which it needs one, and its module. */

/**
 * @typedef {{element: HTMLElement, open?: (settings: Record<string, any>) => void, activate?: () => void,
 *   deactivate?: () => void}} Opened
 * @typedef {{id: string, create: (shared: {recording: any, history: any, openView: (id: string) => Promise<any>}) => Promise<Opened>}} View
 */

/**
 * `kinds` are kinds of models of which a view needs one; `isCollection` that it needs a collection of recordings;
 * `longest` is the limit of the recording that it sends.
 * @type {{id: string, kinds: string[], isCollection?: boolean, longest?: "max_seconds" | "max_long_seconds",
 *   load: () => Promise<{view: View}>}[]}
 */
export const VIEWS = [
  { id: "draw", kinds: ["drawing"], longest: "max_seconds", load: () => import("./views/draw.js") },
  { id: "film", kinds: ["drawing"], longest: "max_long_seconds", load: () => import("./views/film.js") },
  { id: "hear", kinds: ["drawing"], longest: "max_seconds", load: () => import("./views/hear.js") },
  { id: "label", kinds: ["classifier"], longest: "max_seconds", load: () => import("./views/label.js") },
  { id: "transcribe", kinds: ["recognizer"], longest: "max_long_seconds", load: () => import("./views/transcribe.js") },
  {
    id: "speakers",
    kinds: ["diarizer", "xvector"],
    longest: "max_long_seconds",
    load: () => import("./views/speakers.js"),
  },
  { id: "sound", kinds: ["sound"], load: () => import("./views/sound.js") },
  { id: "search", kinds: [], isCollection: true, longest: "max_seconds", load: () => import("./views/search.js") },
  { id: "live", kinds: ["drawing"], load: () => import("./views/live.js") },
];
