// @ts-check
import { h } from "../dom.js";

export const view = { id: "transcribe", label: "page.tab.transcribe", create: async () => ({ element: h("div", {}) }) };
