// @ts-check
import { h } from "../dom.js";

export const view = { id: "search", label: "page.tab.search", create: async () => ({ element: h("div", {}) }) };
