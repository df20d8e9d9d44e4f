// @ts-check
import { h } from "../dom.js";

export const view = { id: "film", label: "page.tab.film", create: async () => ({ element: h("div", {}) }) };
