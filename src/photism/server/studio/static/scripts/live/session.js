// @ts-check
/** A live drawing from Start to Stop: its sound, its connection, its pictures, its film, and what the page says of it. */

import { announce, h } from "../page/dom.js";
import { createStatus } from "./status.js";
import { keepFilm } from "./keeping.js";
import { openSound } from "./sound.js";
import { startFilm } from "./film.js";
import { startLiveConnection } from "./connection.js";
import { Problem } from "../page/api.js";
import { t } from "../page/i18n.js";

/** Seconds in a hidden tab after which the microphone is closed. */
const HIDDEN_S = 60;
/** Blocks of samples from one move of the cursor in the recording to the next: an eighth of a second. */
const CURSOR_BLOCKS = 3;

/**
 * Create the session of the tab, which can be started again and again.
 * @param {{recording: any, history: any, stage: any, settings: () => Record<string, any>, parts: any}} options
 */
export const createLiveSession = ({ recording, history, stage, settings, parts }) => {
  const status = createStatus(parts.status);
  /** @type {{sound: import("./sound.js").LiveSound, connection: ReturnType<typeof startLiveConnection>} | null} */
  let running = null;
  /** @type {import("./keeping.js").Filming | null} */
  let filming = null;
  /** @type {symbol | null} */
  let starting = null;
  /** @type {import("./link.js").Header | null} */
  let newest = null;
  let timer = 0;
  let blocks = 0;
  /** @type {WakeLockSentinel | null} */
  let wakeLock = null;

  const start = async () => {
    if (running || starting) return;
    const attempt = (starting = Symbol("start"));
    parts.showProblem(null);
    parts.showOn(true);
    status.show({ name: "starting" });
    newest = null;
    const isMicrophone = parts.isMicrophone();
    try {
      const given = settings();
      const sound = await openSound({ recording, isMicrophone, onSamples: hear, onEnd: () => end(isMicrophone) });
      if (starting !== attempt) return void sound.stop(); // somebody has pressed Stop
      starting = null;
      const connection = startLiveConnection({
        settings: given,
        rate: sound.rate,
        onState: (state) => {
          status.show(state);
          if (state.name === "live") sound.begin();
        },
        onPicture: (header, image, behindS) => {
          stage.show(header, image);
          sound.setDelay(status.count(behindS));
          newest = header;
          if (filming && header.caption) filming.header = header;
        },
        onProblem: (problem, isOver) => {
          if (isOver) stop();
          parts.showProblem(problem);
        },
        // What is played is behind, and is heard to its end.
        onFinished: () => setTimeout(() => running === own && stop(), 1000 * sound.delayS()),
      });
      const own = (running = { sound, connection });
      document.addEventListener("visibilitychange", watchVisibility);
      keepAwake();
    } catch (problem) {
      if (starting !== attempt) return;
      stop();
      parts.showProblem(problem);
    }
  };

  const hear = (/** @type {Int16Array} */ samples, /** @type {number} */ peak) => {
    running?.connection.send(samples);
    filming?.samples.push(samples);
    parts.showLevel(peak);
    if (filming) stage.showFilm(t("live.seconds", { seconds: Math.floor(filming.film.seconds()) }));
    blocks += 1;
    const playedS = blocks % CURSOR_BLOCKS ? null : (running?.sound.playedS() ?? null);
    if (playedS !== null) recording.seek(playedS);
  };

  const stop = () => {
    starting = null;
    if (filming) finishFilm();
    running?.connection.stop();
    running?.sound.stop();
    running = null;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", watchVisibility);
    wakeLock?.release().catch(() => {});
    wakeLock = null;
    parts.showLevel(0);
    parts.showOn(false);
    status.show({ name: "off" });
  };

  const end = (/** @type {boolean} */ isMicrophone) => {
    if (!isMicrophone) return running?.connection.finish();
    stop();
    parts.showProblem(new Problem({ type: "microphone-unplugged" }));
  };

  const watchVisibility = () => {
    clearTimeout(timer);
    if (!document.hidden) return keepAwake();
    if (!parts.isMicrophone()) return;
    timer = setTimeout(() => {
      stop();
      parts.showProblem(new Problem({ type: "live-hidden" }));
    }, 1000 * HIDDEN_S);
  };

  const keepAwake = async () => {
    wakeLock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    if (!running) wakeLock?.release().catch(() => {}); // it was stopped meanwhile
  };

  const toggleFilm = async () => {
    if (filming) return finishFilm();
    if (!running) {
      await start();
      if (!running) return;
    }
    try {
      const given = settings();
      const { rate, label, stream } = running.sound;
      filming = { film: startFilm(stage.canvas, stream()), samples: [], rate, label, settings: given, header: newest };
      announce(t("live.filming"));
    } catch (problem) {
      parts.showProblem(problem);
    }
  };

  const finishFilm = async () => {
    const own = filming;
    filming = null;
    stage.showFilm(null);
    if (!own) return;
    const shown = await keepFilm(own, { history, name: parts.isMicrophone() ? t("live.film-name") : own.label });
    const before = parts.film.querySelector("video");
    if (before) URL.revokeObjectURL(before.src);
    parts.film.replaceChildren(h("h2", { "data-t": "live.your-film" }), shown);
    parts.film.hidden = false;
    announce(t("live.film-done"));
  };

  return {
    start,
    stop,
    toggleFilm,
    /** Use the settings as they are now. */
    change: () => {
      if (!running) return;
      try {
        running.connection.change(settings());
        parts.showProblem(null);
      } catch (problem) {
        parts.showProblem(problem);
      }
    },
    get isOn() {
      return running !== null || starting !== null;
    },
  };
};
