// @ts-check
/** A live drawing from Start to Stop: its sound, its connection, its pictures, and what the page says of it. */

import { loadCaptionNames } from "../catalogue/caption_names.js";
import { createAttention } from "./attention.js";
import { LiveConnection } from "./connection.js";
import { LiveFilming } from "./filming.js";
import { openSound } from "./sound.js";
import { createStatus } from "./status.js";
import { Problem } from "../page/api.js";

/** Blocks of samples from one move of the cursor in the recording to the next: an eighth of a second. */
const CURSOR_BLOCKS = 3;

/**
 * @typedef {import("./sound.js").LiveSound} LiveSound
 * @typedef {{recording: any, history: any, stage: any, settings: () => Record<string, any>, parts: any}} Given
 */

/** The session of the tab, which can be started again and again. */
export class LiveSession {
  #given;
  #status;
  #filming;
  #attention = createAttention({ onHidden: () => this.#stopWith("live-hidden") });
  /** @type {{sound: LiveSound, connection: LiveConnection} | null} */
  #running = null;
  /** @type {symbol | null} the attempt to start that is going on */
  #starting = null;
  #blocks = 0;

  /** @param {Given} given */
  constructor(given) {
    const { stage, history, parts } = given;
    this.#given = given;
    this.#status = createStatus(parts.status);
    this.#filming = new LiveFilming({ stage, history, place: parts.film, showProblem: parts.showProblem });
  }

  get isOn() {
    return this.#running !== null || this.#starting !== null;
  }

  async start() {
    if (this.isOn) return;
    const { recording, settings, parts } = this.#given;
    const attempt = (this.#starting = Symbol("start"));
    parts.showProblem(null);
    parts.showOn(true);
    this.#status.show({ name: "starting" });
    const isMicrophone = parts.isMicrophone();
    const onEnd = () => (isMicrophone ? this.#stopWith("microphone-unplugged") : this.#running?.connection.finish());
    const onSamples = (/** @type {Int16Array} */ samples, /** @type {number} */ peak) => this.#take(samples, peak);
    try {
      const own = settings();
      loadCaptionNames(own.model);
      const sound = await openSound({ recording, isMicrophone, onSamples, onEnd });
      if (this.#starting !== attempt) return void sound.stop(); // somebody has pressed Stop
      this.#starting = null;
      this.#running = { sound, connection: this.#connect(own, sound) };
      this.#filming.open({ sound, isMicrophone, settings });
      this.#attention.start(isMicrophone);
    } catch (problem) {
      if (this.#starting !== attempt) return;
      this.stop();
      parts.showProblem(problem);
    }
  }

  stop() {
    const { parts } = this.#given;
    this.#starting = null;
    this.#filming.close();
    this.#attention.stop();
    this.#running?.connection.stop();
    this.#running?.sound.stop();
    this.#running = null;
    parts.showLevel(0);
    parts.showOn(false);
    this.#status.show({ name: "off" });
  }

  /** Begin a film, and the drawing if it does not run, or end the film. */
  toggleFilm() {
    this.#filming.toggle();
    return this.start();
  }

  /** Use the settings as they are now. */
  change() {
    if (!this.#running) return;
    const { settings, parts } = this.#given;
    try {
      this.#running.connection.change(settings());
      parts.showProblem(null);
    } catch (problem) {
      parts.showProblem(problem);
    }
  }

  /** @param {Record<string, any>} settings @param {LiveSound} sound */
  #connect(settings, sound) {
    return new LiveConnection({
      settings,
      rate: sound.rate,
      onState: (state) => {
        this.#status.show(state);
        if (state.name === "live") sound.begin();
      },
      onPicture: (header, image, behindS) => {
        this.#given.stage.show(header, image);
        sound.setDelay(this.#status.count(behindS));
        this.#filming.show(header);
      },
      onProblem: (problem, isOver) => {
        if (isOver) this.stop();
        this.#given.parts.showProblem(problem);
      },
      // What is played is behind, and is played to its end.
      onFinished: () => setTimeout(() => this.#running?.sound === sound && this.stop(), 1000 * sound.delayS()),
    });
  }

  /** @param {Int16Array} samples @param {number} peak */
  #take(samples, peak) {
    if (!this.#running) return; // the last block comes after Stop
    const { recording, parts } = this.#given;
    this.#running.connection.send(samples);
    this.#status.wait();
    this.#filming.add(samples);
    parts.showLevel(peak);
    this.#blocks += 1;
    const playedS = this.#blocks % CURSOR_BLOCKS ? null : this.#running.sound.playedS();
    if (playedS !== null) recording.seek(playedS);
  }

  /** @param {string} type of the problem */
  #stopWith(type) {
    this.stop();
    this.#given.parts.showProblem(new Problem({ type }));
  }
}
