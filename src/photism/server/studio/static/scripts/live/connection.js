// @ts-check
/**
 * A live drawing that goes on while connections come and go.
 *
 * The server takes the settings of a connection once. Other settings therefore open a second one, which takes the place
 * of the first with its own first picture; until then, and if the server refuses the settings, the first goes on. A
 * connection that breaks is opened again after a pause. A new one begins with the sound of the last moments.
 */

import { openLink } from "./link.js";

const RECENT_S = 1.5;
const PAUSES_S = [1, 2, 4, 8];
/** Problems that may be over after a while. */
const PASSING = ["unreachable", "busy", "shutting-down", "too-many-live-connections", "too-many-requests", "idle"];

/** @typedef {import("./link.js").Link} Link */
/** @typedef {import("../page/api.js").Problem} Problem */

/**
 * @typedef {{settings: Record<string, any>, rate: number,
 *   onPicture: (header: import("./link.js").Header, image: Blob, behindS: number) => void,
 *   onState: (state: {name: "loading" | "live" | "silent" | "waiting", problem?: Problem}) => void,
 *   onProblem: (problem: Problem, isOver: boolean) => void, onFinished: () => void}} Options
 *   rate: sampling rate in Hz; behindS: seconds between the newest sample and the sound that a picture shows; onProblem:
 *   called with a problem that does not pass, and whether the drawing is over; onFinished: called some time after
 *   `finish`, when the last picture has come
 */

/** A live drawing, which begins when it is constructed. */
export class LiveConnection {
  #options;
  /** @type {Int16Array[]} */
  #recent = [];
  /** @type {Link | null} */
  #current = null;
  /** @type {Link | null} */
  #next = null;
  #settings;
  #attempts = 0;
  #timer = 0;
  #isOver = false;
  #isFinishing = false;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#settings = options.settings;
    options.onState({ name: "loading" });
    this.#open();
  }

  /** @param {Int16Array} samples */
  send(samples) {
    if (this.#isFinishing) return;
    this.#recent.push(samples);
    const most = Math.ceil((RECENT_S * this.#options.rate) / samples.length);
    if (this.#recent.length > most) this.#recent = this.#recent.slice(-most);
    this.#current?.send(samples);
    this.#next?.send(samples);
  }

  /** @param {Record<string, any>} settings */
  change(settings) {
    if (this.#isOver || this.#isFinishing) return;
    this.#settings = settings;
    clearTimeout(this.#timer);
    this.#open();
  }

  /** End the sound; the pictures of what was sent still come. */
  finish() {
    this.#isFinishing = true;
    clearTimeout(this.#timer);
    if (this.#current) {
      this.#next?.close(); // other settings come too late
      this.#next = null;
      return this.#current.finish();
    }
    if (this.#next) return this.#next.finish();
    this.stop();
    this.#options.onFinished();
  }

  /** End at once. */
  stop() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#current?.close();
    this.#next?.close();
    this.#current = this.#next = null;
  }

  #open() {
    const { rate, onState, onPicture } = this.#options;
    this.#next?.close();
    const own = (this.#next = openLink({
      settings: this.#settings,
      rate,
      onOpen: () => this.#recent.forEach((samples) => own.send(samples)),
      onReady: () => {
        this.#attempts = 0;
        if (!this.#current) onState({ name: "live" });
      },
      onSilence: () => {
        this.#takeOver(own);
        onState({ name: "silent" });
      },
      onPicture: (header, image) => {
        this.#takeOver(own);
        onPicture(header, image, own.sentS - header.end_s);
      },
      onClose: (problem) => this.#lose(own, problem),
    }));
  }

  /** @param {Link} link */
  #takeOver(link) {
    if (link !== this.#next) return;
    this.#current?.close();
    this.#current = link;
    this.#next = null;
    this.#options.onState({ name: "live" });
  }

  /** @param {Link} link @param {Problem} problem */
  #lose(link, problem) {
    if (this.#isOver) return;
    const { onState, onProblem, onFinished } = this.#options;
    if (link === this.#next) this.#next = null;
    if (link === this.#current) this.#current = null;
    const isPassing = PASSING.includes(problem.type);
    if (this.#isFinishing) {
      this.stop();
      return isPassing ? onFinished() : onProblem(problem, true);
    }
    if (!isPassing) {
      if (this.#current === null) this.stop();
      return onProblem(problem, this.#isOver);
    }
    if (this.#current === null) onState({ name: "waiting", problem });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), 1000 * PAUSES_S[Math.min(this.#attempts, PAUSES_S.length - 1)]);
    this.#attempts += 1;
  }
}
