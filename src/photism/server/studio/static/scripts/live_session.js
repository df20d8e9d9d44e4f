// @ts-check
/** A live drawing from Start to Stop: its sound, its connection, its pictures, its film, and what the page says of it. */

import { announce, h } from "./dom.js";
import { createStatus } from "./live_status.js";
import { keepFilm } from "./live_keeping.js";
import { openSound } from "./live_sound.js";
import { startFilm } from "./live_film.js";
import { startLiveConnection } from "./live_connection.js";
import { Problem } from "./api.js";
import { t } from "./i18n.js";

/** Seconds in a hidden tab after which the microphone is closed. */
const HIDDEN_S = 60;

/**
 * Create the session of the tab, which can be started again and again.
 * @param {{recording: any, history: any, stage: any, settings: () => Record<string, any>, parts: any}} options
 */
export const createLiveSession = ({ recording, history, stage, settings, parts }) => {
  const status = createStatus(parts.status);
  /** @type {{sound: import("./live_sound.js").LiveSound, connection: ReturnType<typeof startLiveConnection>} | null} */
  let running = null;
  /** @type {import("./live_keeping.js").Filming | null} */
  let filming = null;
  let isStarting = false;
  let timer = 0;
  /** @type {WakeLockSentinel | null} */
  let wakeLock = null;

  const start = async () => {
    if (running || isStarting) return;
    isStarting = true;
    parts.showProblem(null);
    parts.showOn(true);
    status.show({ name: "starting" });
    const isMicrophone = parts.isMicrophone();
    try {
      const given = settings();
      const sound = await openSound({ recording, isMicrophone, onSamples: hear, onEnd: () => end(isMicrophone) });
      if (!isStarting) return void sound.stop();
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
          if (filming) filming.header = header.caption ? header : filming.header;
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
      parts.showOn(false);
      status.show({ name: "off" });
      parts.showProblem(problem);
    } finally {
      isStarting = false;
    }
  };

  const hear = (/** @type {Int16Array} */ samples, /** @type {number} */ peak) => {
    running?.connection.send(samples);
    filming?.samples.push(samples);
    parts.showLevel(peak);
    if (filming) stage.showFilm(t("live.seconds", { seconds: Math.floor(filming.film.seconds()) }));
  };

  const stop = () => {
    isStarting = false;
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
    timer = setTimeout(() => {
      stop();
      parts.showProblem(new Problem({ type: "live-hidden" }));
    }, 1000 * HIDDEN_S);
  };

  const keepAwake = async () => {
    wakeLock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  };

  const toggleFilm = async () => {
    if (filming) return finishFilm();
    if (!running) {
      await start();
      if (!running) return;
    }
    try {
      const film = startFilm(stage.canvas, running.sound.stream());
      filming = { film, samples: [], rate: running.sound.rate, label: running.sound.label, settings: settings(), header: null };
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
      return running !== null || isStarting;
    },
  };
};
