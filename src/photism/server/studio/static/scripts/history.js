// @ts-check
/** What was made in this session. */

import { h } from "./dom.js";

export const history = { panel: h("div", {}), connect: () => {}, register: () => {}, add: () => {} };
