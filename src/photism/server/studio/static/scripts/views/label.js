// @ts-check
import { h } from "../dom.js";

export const view = { id: "label", label: "page.tab.label", create: async () => ({ element: h("div", {}) }) };
