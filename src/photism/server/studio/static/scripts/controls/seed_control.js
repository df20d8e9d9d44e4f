// @ts-check
/** The seed of a picture, with a die that throws another one. */

import { Problem } from "../page/api.js";
import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { fieldLabel } from "../page/problems.js";

/** Seeds of the die: short enough to be told to somebody. */
const SIDES = 100_000;

/** Return a random seed. */
export const randomSeed = () => Math.floor(Math.random() * SIDES);

/**
 * Create the control of a seed. Its element has `value`, undefined for the default, and dispatches "change".
 * @param {any} schema of the field
 */
export const createSeedControl = (schema) => {
  const standard = schema.default ?? 0;
  const input = h("input", { type: "number", inputmode: "numeric", min: schema.minimum ?? 0, step: 1, placeholder: standard });
  const roll = () => {
    input.value = randomSeed();
    for (const name of ["input", "change"]) element.dispatchEvent(new Event(name, { bubbles: true }));
  };
  const attributes = { class: "button dice", type: "button", "data-t-label": "draw.dice", "data-t-title": "draw.dice" };
  const dice = h("button", { ...attributes, onclick: roll }, h("span", { "aria-hidden": true }, "⚄"));
  const element = h("div", { class: "seed" }, input, dice);
  const read = () => {
    if (input.value === "" && !input.validity.badInput) return undefined;
    const seed = input.valueAsNumber;
    if (Number.isInteger(seed) && seed >= Number(input.min)) return seed === standard ? undefined : seed;
    const label = fieldLabel("seed");
    const key = Number.isInteger(seed) ? "problems.at-least" : "problems.whole-number";
    throw new Problem({ type: "invalid-field", field: label, detail: t(key, { label, limit: Number(input.min) }) });
  };
  Object.defineProperties(element, {
    id: {
      get: () => input.id,
      set: (id) => {
        input.id = id;
      },
    },
    value: {
      get: read,
      set: (seed) => {
        input.value = seed ?? "";
      },
    },
  });
  element.setAttribute = input.setAttribute.bind(input); // descriptions belong to the box
  element.removeAttribute = input.removeAttribute.bind(input);
  element.focus = () => input.focus();
  return element;
};
