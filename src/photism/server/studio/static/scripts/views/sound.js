// @ts-check
import { h } from "../dom.js";

export const view = { id: "sound", label: "page.tab.sound", create: async () => ({ element: h("div", {}) }) };
