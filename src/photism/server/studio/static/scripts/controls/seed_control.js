// @ts-check
/** The seed of a picture, with a die that throws another one. */

import { checkedNumber } from "./field.js";
import { h } from "../page/dom.js";
import { fieldLabel } from "../page/problems.js";

/** Number of seeds that the die chooses from: they are short enough to be read out. */
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
    const seed = checkedNumber(input.valueAsNumber, schema, fieldLabel("seed"));
    return seed === standard ? undefined : seed;
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
