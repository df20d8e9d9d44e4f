// @ts-check
/** A slider that shows its value, and that has none until it is moved. */

import { h } from "../page/dom.js";
import { formatNumber } from "../page/i18n.js";

/**
 * Create a slider. Its element has `value`, undefined until the visitor chooses one, and dispatches "change".
 * @param {{min: number, max: number, step: number, standard: number, label?: string}} options standard: where it stands
 *   before that; label: for screen readers, unless another element names it
 */
export const createSlider = ({ min, max, step, standard, label }) => {
  const input = h("input", { type: "range", min, max, step, value: standard, "aria-label": label });
  const output = h("output", { class: "slider-value" });
  const element = h("div", { class: "slider" }, input, output);
  let isChosen = false;
  let usual = standard;
  const show = () => (output.textContent = formatNumber(Number(input.value), { maximumFractionDigits: 2 }));
  const set = (/** @type {unknown} */ value) => {
    isChosen = value !== undefined && value !== null && value !== "" && Number.isFinite(Number(value));
    input.value = isChosen ? Number(value) : usual;
    show();
  };
  input.addEventListener("input", () => {
    isChosen = true;
    show();
  });
  Object.defineProperties(element, {
    id: {
      get: () => input.id,
      set: (id) => {
        input.id = id;
      },
    },
    value: { get: () => (isChosen ? Number(input.value) : undefined), set },
    /** Where it stands, chosen or not. */
    shown: { get: () => Number(input.value) },
    standard: {
      set: (value) => {
        usual = value;
        if (!isChosen) set(undefined);
      },
    },
  });
  element.setAttribute = input.setAttribute.bind(input); // descriptions belong to the slider
  element.removeAttribute = input.removeAttribute.bind(input);
  element.focus = () => input.focus();
  show();
  return element;
};
