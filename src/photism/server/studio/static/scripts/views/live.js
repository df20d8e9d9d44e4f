// @ts-check
import { h } from "../dom.js";

export const view = { id: "live", label: "page.tab.live", create: async () => ({ element: h("div", {}) }) };
