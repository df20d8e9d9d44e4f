// @ts-check
/** The recording that all tabs share. */

import { h } from "./dom.js";

class Recording extends EventTarget {
  /** @type {any} */
  current = null;
  panel = h("div", {});
}

export const recording = new Recording();
