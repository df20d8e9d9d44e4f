// @ts-check
import { h } from "../dom.js";

export const view = { id: "draw", label: "page.tab.draw", create: async () => ({ element: h("div", {}) }) };
