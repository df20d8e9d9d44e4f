// @ts-check
/** A box for several short texts, each of which becomes a chip. */

import { h, newId } from "../page/dom.js";
import { t } from "../page/i18n.js";

/**
 * Create a box for several texts. Enter adds one, a pasted list all of its items, and Backspace in an empty box takes the
 * last one back. The element has `value`, a list or undefined, and dispatches "change".
 * @param {{placeholder: string, splits?: RegExp}} options placeholder: key of a text; splits: what separates texts
 */
export const createChipsInput = ({ placeholder, splits = /\n/ }) => {
  const input = h("input", { type: "text", autocomplete: "off", enterkeyhint: "enter", id: newId("chips"), "data-t-placeholder": placeholder });
  const list = h("ul", { class: "chips" });
  const element = h("div", { class: "chips-input" }, input, list);
  /** @type {string[]} */
  let texts = [];

  const show = () => list.replaceChildren(...texts.map(chip));
  const change = (/** @type {string[]} */ next) => {
    texts = [...new Set(next)];
    show();
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const chip = (/** @type {string} */ text) => {
    const remove = () => {
      change(texts.filter((each) => each !== text));
      input.focus();
    };
    const label = t("controls.remove", { name: text });
    const button = h("button", { class: "button quiet", type: "button", "aria-label": label, onclick: remove }, "×");
    return h("li", { class: "chip" }, h("bdi", {}, text), button);
  };
  const added = (/** @type {string} */ text) => [...texts, ...text.split(splits).map((each) => each.trim()).filter(Boolean)];
  const take = (/** @type {string} */ text) => {
    input.value = "";
    if (text.trim()) change(added(text));
  };

  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      take(input.value);
    } else if (event.key === "Backspace" && input.value === "" && texts.length) {
      event.preventDefault();
      input.value = texts[texts.length - 1];
      change(texts.slice(0, -1));
    }
  });
  input.addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
    const pasted = event.clipboardData?.getData("text") ?? "";
    if (!splits.test(pasted.trim())) return;
    event.preventDefault();
    take(input.value + pasted);
  });
  Object.defineProperty(element, "value", {
    // A text that is still in the box counts: not everybody presses Enter.
    get: () => (input.value.trim() || texts.length ? [...new Set(added(input.value))] : undefined),
    set: (value) => {
      input.value = "";
      texts = [...new Set([value || []].flat())];
      show();
    },
  });
  Object.defineProperty(element, "id", { get: () => input.id });
  element.setAttribute = input.setAttribute.bind(input); // descriptions belong to the box
  element.removeAttribute = input.removeAttribute.bind(input);
  element.focus = () => input.focus();
  return element;
};
