// @ts-check
import { h } from "../dom.js";

export const view = { id: "hear", label: "page.tab.hear", create: async () => ({ element: h("div", {}) }) };
