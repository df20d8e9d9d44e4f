// @ts-check
import { h } from "../dom.js";

export const view = { id: "speakers", label: "page.tab.speakers", create: async () => ({ element: h("div", {}) }) };
