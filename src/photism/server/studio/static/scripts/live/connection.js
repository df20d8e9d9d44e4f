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

/**
 * Start a live drawing.
 * @param {{settings: Record<string, any>, rate: number,
 *   onPicture: (header: import("./link.js").Header, image: Blob, behindS: number) => void,
 *   onState: (state: {name: "loading" | "live" | "silent" | "waiting", problem?: import("../page/api.js").Problem}) => void,
 *   onProblem: (problem: import("../page/api.js").Problem, isOver: boolean) => void, onFinished: () => void}} options
 *   rate: sampling rate in Hz; behindS: seconds between the newest sample and the sound that a picture shows; onProblem:
 *   called with a problem that does not pass, and whether the drawing is over; onFinished: called some time after
 *   `finish`, when the last picture has come
 */
export const startLiveConnection = ({ settings, rate, onPicture, onState, onProblem, onFinished }) => {
  /** @type {Int16Array[]} */
  let recent = [];
  /** @type {import("./link.js").Link | null} */
  let current = null;
  /** @type {import("./link.js").Link | null} */
  let next = null;
  let wanted = settings;
  let attempts = 0;
  let timer = 0;
  let isOver = false;
  let isFinishing = false;

  const open = () => {
    next?.close();
    const own = (next = openLink({
      settings: wanted,
      rate,
      onOpen: () => recent.forEach((samples) => own.send(samples)),
      onReady: () => {
        attempts = 0;
        if (!current) onState({ name: "live" });
      },
      onSilence: () => {
        takeOver(own);
        onState({ name: "silent" });
      },
      onPicture: (header, image) => {
        takeOver(own);
        onPicture(header, image, own.sentS - header.end_s);
      },
      onClose: (problem) => lose(own, problem),
    }));
  };

  const takeOver = (/** @type {import("./link.js").Link} */ link) => {
    if (link !== next) return;
    current?.close();
    current = link;
    next = null;
    onState({ name: "live" });
  };

  const lose = (/** @type {import("./link.js").Link} */ link, /** @type {import("../page/api.js").Problem} */ problem) => {
    if (isOver) return;
    if (link === next) next = null;
    if (link === current) current = null;
    if (isFinishing) {
      stop();
      return PASSING.includes(problem.type) ? onFinished() : onProblem(problem, isOver);
    }
    if (!PASSING.includes(problem.type)) {
      if (current === null) stop();
      return onProblem(problem, isOver);
    }
    if (current === null) onState({ name: "waiting", problem });
    clearTimeout(timer);
    timer = setTimeout(open, 1000 * PAUSES_S[Math.min(attempts, PAUSES_S.length - 1)]);
    attempts += 1;
  };

  const stop = () => {
    isOver = true;
    clearTimeout(timer);
    current?.close();
    next?.close();
    current = next = null;
  };

  const finish = () => {
    isFinishing = true;
    clearTimeout(timer);
    if (current) {
      next?.close(); // other settings come too late
      next = null;
      return current.finish();
    }
    if (next) return next.finish();
    stop();
    onFinished();
  };

  const send = (/** @type {Int16Array} */ samples) => {
    if (isFinishing) return;
    recent.push(samples);
    const most = Math.ceil((RECENT_S * rate) / samples.length);
    if (recent.length > most) recent = recent.slice(-most);
    current?.send(samples);
    next?.send(samples);
  };

  const change = (/** @type {Record<string, any>} */ changed) => {
    if (isOver || isFinishing) return;
    wanted = changed;
    clearTimeout(timer);
    open();
  };

  onState({ name: "loading" });
  open();
  return { send, change, finish, stop };
};
