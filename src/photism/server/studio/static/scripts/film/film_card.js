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
 * @typedef {import("./film_list.js").FilmRecord} FilmRecord
 * @typedef {{state: any, keepMinutes: number, onRemove: () => void, onAgain: () => void,
 *   onDone: (getBlob: () => Promise<Blob | null>, isNew: boolean) => void}} Given state: what is known of the film, if
 *   anything; onDone: isNew is false for a film that was done before the page was opened
 */

/** The card of a film, which follows it until it ends. */
export class FilmCard {
  #film;
  #given;
  #path;
  #status = h("p", { class: "run-status muted" });
  #bar = h("progress", { class: "progress", "data-t-label": "page.progress" });
  #error = h("div", { class: "error", role: "alert", hidden: true });
  #screen = h("div", { class: "result film-screen", hidden: true });
  #actions;
  #isRemoved = false;
  #wasActive = false;

  /** @param {FilmRecord} film @param {Given} given */
  constructor(film, given) {
    [this.#film, this.#given, this.#path] = [film, given, `/v1/film/${film.id}`];
    this.#actions = this.#createActions();
    const title = h("h3", { class: "film-title", id: `film-${film.id}` }, h("bdi", {}, film.filename));
    const row = h("div", { class: "row" }, ...Object.values(this.#actions));
    this.element = h("li", { class: "panel stack film-card" }, title, this.#screen, this.#bar, this.#status, row, this.#error);
    this.#offer();
    if (given.state) this.#show(given.state);
    queueMicrotask(() => this.#follow()); // when the card is in the list
  }

  /** Whether the film is in sight. */
  get isShown() {
    return !this.#screen.hidden;
  }

  #createActions() {
    const button = (/** @type {string} */ key, /** @type {() => any} */ act) =>
      h("button", { class: "button", type: "button", "data-t": key, "aria-describedby": `film-${this.#film.id}`, onclick: () => this.#attempt(act) });
    return {
      stop: button("page.stop", () => this.#change("cancel")),
      resume: button("film.resume", () => this.#change("resume")),
      download: button("film.download", async () => save(await readBlob(this.#path), this.#film.filename)),
      again: button("film.again", () => this.#leave(this.#given.onAgain)),
      remove: button("film.remove", async () => {
        await api.send(this.#path, "DELETE").catch(ignoreGone);
        this.#leave(this.#given.onRemove);
      }),
    };
  }

  /** @param {() => any} act */
  async #attempt(act) {
    showError(this.#error, null);
    try {
      await act();
    } catch (problem) {
      this.#showProblem(problem);
    }
  }

  /** @param {() => void} then */
  #leave(then) {
    this.#isRemoved = true;
    then();
  }

  /** @param {"cancel" | "resume"} how */
  async #change(how) {
    this.#show(await (await api.send(`${this.#path}/${how}`, "POST")).json());
    if (how === "resume") this.#follow();
  }

  #follow() {
    return follow(this.#path, {
      isRemoved: () => this.#isRemoved,
      onFound: (found) => {
        showError(this.#error, null);
        this.#show(found);
      },
      onProblem: (problem) => {
        this.#showProblem(problem);
        return isGone(problem);
      },
    });
  }

  /** Show the buttons of some actions. @param {...string} names */
  #offer(...names) {
    for (const [name, each] of Object.entries(this.#actions)) each.hidden = !names.includes(name);
  }

  /** Show a state of the film. @param {any} found */
  #show(found) {
    const isBusy = isActive(found);
    this.#wasActive ||= isBusy;
    this.element.setAttribute("aria-busy", String(isBusy));
    this.#bar.hidden = !isBusy && found.state !== "cancelled";
    if (found.frames_done) Object.assign(this.#bar, { max: found.frames, value: found.frames_done });
    else this.#bar.removeAttribute("value");
    this.#status.textContent = statusText(found, this.#given.keepMinutes);
    if (isBusy) this.#offer("stop");
    else if (found.state === "done") this.#offer("download", "remove");
    else this.#offer("resume", "remove");
    if (found.state === "failed") showError(this.#error, new api.Problem(found.problem), this.#film.name);
    if (found.state === "done" && !this.isShown) this.#showFilm();
  }

  #showFilm() {
    const isSheet = this.#film.kind === "storyboard";
    this.#screen.classList.toggle("is-sheet", isSheet);
    this.#screen.replaceChildren(mediaOf(isSheet, api.url(`${this.#path}/result`), alternative(this.#film)));
    this.#screen.hidden = false;
    this.#given.onDone(() => readBlob(this.#path, MAX_SAVED_BYTES).catch(() => null), this.#wasActive);
  }

  /** @param {unknown} problem */
  #showProblem(problem) {
    if (!isGone(problem)) return showError(this.#error, problem, this.#film.name);
    this.#screen.hidden = this.#bar.hidden = true;
    this.element.setAttribute("aria-busy", "false");
    this.#status.textContent = t("film.expired", { minutes: this.#given.keepMinutes });
    this.#offer("again", "remove");
  }
}

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
