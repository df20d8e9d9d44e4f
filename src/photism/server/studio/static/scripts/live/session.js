// @ts-check
/** A live drawing from Start to Stop: its sound, its connection, its pictures, and what the page says of it. */

import { loadCaptionNames } from "../catalogue/caption_names.js";
import { createAttention } from "./attention.js";
import { LiveConnection } from "./connection.js";
import { createFilming } from "./filming.js";
import { openSound } from "./sound.js";
import { createStatus } from "./status.js";
import { Problem } from "../page/api.js";

/** Blocks of samples from one move of the cursor in the recording to the next: an eighth of a second. */
const CURSOR_BLOCKS = 3;

/**
 * @typedef {{sound: import("./sound.js").LiveSound, connection: LiveConnection}} Running
 */

/**
 * Create the session of the tab, which can be started again and again.
 * @param {{recording: any, history: any, stage: any, settings: () => Record<string, any>, parts: any}} options
 */
export const createLiveSession = ({ recording, history, stage, settings, parts }) => {
  const status = createStatus(parts.status);
  const filming = createFilming({ stage, history, place: parts.film, showProblem: parts.showProblem });
  const attention = createAttention({ onHidden: () => stopWith("live-hidden") });
  /** @type {Running | null} */
  let running = null;
  /** @type {symbol | null} */
  let starting = null;
  let blocks = 0;

  const start = async () => {
    if (running || starting) return;
    const attempt = (starting = Symbol("start"));
    parts.showProblem(null);
    parts.showOn(true);
    status.show({ name: "starting" });
    const isMicrophone = parts.isMicrophone();
    const onEnd = () => (isMicrophone ? stopWith("microphone-unplugged") : running?.connection.finish());
    try {
      const given = settings();
      loadCaptionNames(given.model);
      const sound = await openSound({ recording, isMicrophone, onSamples: take, onEnd });
      if (starting !== attempt) return void sound.stop(); // somebody has pressed Stop
      starting = null;
      running = { sound, connection: connect(given, sound) };
      filming.open({ sound, isMicrophone, settings });
      attention.start(isMicrophone);
    } catch (problem) {
      if (starting !== attempt) return;
      stop();
      parts.showProblem(problem);
    }
  };

  const connect = (/** @type {Record<string, any>} */ given, /** @type {import("./sound.js").LiveSound} */ sound) =>
    new LiveConnection({
      settings: given,
      rate: sound.rate,
      onState: (state) => {
        status.show(state);
        if (state.name === "live") sound.begin();
      },
      onPicture: (header, image, behindS) => {
        stage.show(header, image);
        sound.setDelay(status.count(behindS));
        filming.show(header);
      },
      onProblem: (problem, isOver) => {
        if (isOver) stop();
        parts.showProblem(problem);
      },
      // What is played is behind, and is played to its end.
      onFinished: () => setTimeout(() => running?.sound === sound && stop(), 1000 * sound.delayS()),
    });

  const take = (/** @type {Int16Array} */ samples, /** @type {number} */ peak) => {
    if (!running) return; // the last block comes after Stop
    running.connection.send(samples);
    status.wait();
    filming.add(samples);
    parts.showLevel(peak);
    blocks += 1;
    const playedS = blocks % CURSOR_BLOCKS ? null : running.sound.playedS();
    if (playedS !== null) recording.seek(playedS);
  };

  const stop = () => {
    starting = null;
    filming.close();
    attention.stop();
    running?.connection.stop();
    running?.sound.stop();
    running = null;
    parts.showLevel(0);
    parts.showOn(false);
    status.show({ name: "off" });
  };

  const stopWith = (/** @type {string} */ type) => {
    stop();
    parts.showProblem(new Problem({ type }));
  };

  return {
    start,
    stop,
    /** Begin a film, and the drawing if it does not run, or end the film. */
    toggleFilm: () => {
      filming.toggle();
      return start();
    },
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
