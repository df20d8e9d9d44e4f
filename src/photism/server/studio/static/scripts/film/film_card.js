// @ts-check
/** One film: its progress, Stop and Resume while it is drawn, and then the film itself. */

import * as api from "../page/api.js";
import { save } from "../page/download.js";
import { h } from "../page/dom.js";
import { formatNumber, t } from "../page/i18n.js";
import { showError } from "../page/run.js";
import { follow, isActive } from "./following.js";

/** Problems after which there is no such film any more. */
const GONE = ["expired", "film-not-found"];
const MINUTE_S = 60;
/** Largest film that is kept in the history of the browser. */
const MAX_SAVED_BYTES = 64 * 2 ** 20;

/**
 * Create the card of a film, which follows it until it ends.
 * @param {import("./film_list.js").FilmRecord} film
 * @param {{state: any, keepMinutes: number, onRemove: () => void, onAgain: () => void,
 *   onDone: (getBlob: () => Promise<Blob | null>, isNew: boolean) => void}} given state: what is known of it, if
 *   anything; onDone: isNew is false for a film that was done before the page was opened
 */
export const createFilmCard = (film, { state, keepMinutes, onRemove, onAgain, onDone }) => {
  const path = `/v1/film/${film.id}`;
  const status = h("p", { class: "run-status muted" });
  const bar = h("progress", { class: "progress", "data-t-label": "page.progress" });
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const screen = h("div", { class: "result film-screen", hidden: true });
  const button = (/** @type {string} */ key, /** @type {() => any} */ act) =>
    h("button", { class: "button", type: "button", "data-t": key, "aria-describedby": `film-${film.id}`, onclick: () => attempt(act) });
  const actions = {
    stop: button("page.stop", () => change("cancel")),
    resume: button("film.resume", () => change("resume")),
    download: button("film.download", async () => save(await readBlob(path), film.filename)),
    again: button("film.again", () => leave(onAgain)),
    remove: button("film.remove", async () => {
      await api.send(path, "DELETE").catch(ignoreGone);
      leave(onRemove);
    }),
  };
  const row = h("div", { class: "row" }, ...Object.values(actions));
  const title = h("h3", { class: "film-title", id: `film-${film.id}` }, h("bdi", {}, film.filename));
  const element = h("li", { class: "panel stack film-card" }, title, screen, bar, status, row, error);
  let isRemoved = false;
  let wasActive = false;

  const attempt = async (/** @type {() => any} */ act) => {
    showError(error, null);
    try {
      await act();
    } catch (problem) {
      showProblem(problem);
    }
  };
  const leave = (/** @type {() => void} */ then) => {
    isRemoved = true;
    then();
  };
  const change = async (/** @type {string} */ how) => {
    show(await (await api.send(`${path}/${how}`, "POST")).json());
    if (how === "resume") begin();
  };
  const offer = (/** @type {(keyof typeof actions)[]} */ ...names) => {
    for (const [name, each] of Object.entries(actions)) each.hidden = !names.includes(/** @type {any} */ (name));
  };

  const show = (/** @type {any} */ found) => {
    const isBusy = isActive(found);
    wasActive ||= isBusy;
    element.setAttribute("aria-busy", String(isBusy));
    bar.hidden = !isBusy && found.state !== "cancelled";
    if (found.frames_done) Object.assign(bar, { max: found.frames, value: found.frames_done });
    else bar.removeAttribute("value");
    status.textContent = statusText(found, keepMinutes);
    if (isBusy) offer("stop");
    else if (found.state === "done") offer("download", "remove");
    else offer("resume", "remove");
    if (found.state === "failed") showError(error, new api.Problem(found.problem), film.name);
    if (found.state === "done" && screen.hidden) showFilm();
  };
  const showFilm = () => {
    const isSheet = film.kind === "storyboard";
    screen.classList.toggle("is-sheet", isSheet);
    screen.replaceChildren(mediaOf(isSheet, api.url(`${path}/result`), alternative(film)));
    screen.hidden = false;
    onDone(() => readBlob(path, MAX_SAVED_BYTES).catch(() => null), wasActive);
  };
  const showProblem = (/** @type {unknown} */ problem) => {
    if (!isGone(problem)) return showError(error, problem, film.name);
    screen.hidden = bar.hidden = true;
    element.setAttribute("aria-busy", "false");
    status.textContent = t("film.expired", { minutes: keepMinutes });
    offer("again", "remove");
  };

  const begin = () =>
    follow(path, {
      isRemoved: () => isRemoved,
      onFound: (found) => {
        showError(error, null);
        show(found);
      },
      onProblem: (problem) => {
        showProblem(problem);
        return isGone(problem);
      },
    });

  offer();
  if (state) show(state);
  queueMicrotask(begin); // when the card is in the list
  return {
    element,
    /** Whether the film is in sight. */
    get isShown() {
      return !screen.hidden;
    },
  };
};

/**
 * Create the card of a film that only the history has.
 * @param {import("../history/store.js").Result} result
 * @param {() => void} onRemove
 */
export const createKeptCard = ({ blob, kind, name, alt }, onRemove) => {
  const src = URL.createObjectURL(blob);
  const button = (/** @type {string} */ key, /** @type {() => void} */ act) => h("button", { class: "button", type: "button", "data-t": key, onclick: act });
  const isSheet = kind === "image";
  const screen = h("div", { class: isSheet ? "result film-screen is-sheet" : "result film-screen" }, mediaOf(isSheet, src, alt));
  const row = h("div", { class: "row" }, button("film.download", () => save(blob, name)), button("film.remove", onRemove));
  const element = h("li", { class: "panel stack film-card" }, h("h3", { class: "film-title" }, h("bdi", {}, name)), screen, row);
  return { element, release: () => URL.revokeObjectURL(src) };
};

/**
 * Say what a film or storyboard shows, in place of it.
 * @param {{kind: string, name: string}} film
 */
export const alternative = ({ kind, name }) => t(kind === "storyboard" ? "film.alt.storyboard" : "film.alt", { name });

/** @param {boolean} isSheet whether it is a storyboard @param {string} src @param {string} alt */
const mediaOf = (isSheet, src, alt) => {
  if (isSheet) return h("img", { src, alt });
  return h("video", { src, controls: true, playsinline: true, preload: "metadata", "aria-label": alt });
};

/** @param {any} found @param {number} minutes */
const statusText = (found, minutes) => {
  const frames = { done: formatNumber(found.frames_done), total: formatNumber(found.frames) };
  if (found.state === "queued") return found.position ? t("page.queued", { position: found.position }) : t("page.starting");
  if (found.state === "loading") return t("page.loading");
  if (found.state === "done") return t("film.kept", { minutes });
  if (found.state === "cancelled") return t("film.stopped", frames);
  if (found.state === "failed") return t("film.failed", frames);
  if (!found.frames_done) return t("page.starting");
  const left = found.remaining_s;
  return left === null || left === undefined ? t("film.progress", frames) : t("film.progress.left", { ...frames, left: duration(left) });
};

/** @param {number} seconds */
const duration = (seconds) => {
  const [count, unit] = seconds < MINUTE_S ? [seconds, "second"] : [seconds / MINUTE_S, "minute"];
  return formatNumber(Math.ceil(count), { style: "unit", unit, unitDisplay: "long" });
};

/** @param {string} path @param {number} [maxBytes] */
const readBlob = async (path, maxBytes = Infinity) => {
  const response = await api.send(`${path}/result`, "GET");
  if (Number(response.headers.get("Content-Length") ?? 0) > maxBytes) {
    await response.body?.cancel();
    throw new api.Problem({ type: "too-large" });
  }
  return response.blob();
};

/** @param {unknown} problem */
const ignoreGone = (problem) => {
  if (!isGone(problem)) throw problem;
};

/** @param {unknown} problem */
const isGone = (problem) => problem instanceof api.Problem && GONE.includes(problem.type);
