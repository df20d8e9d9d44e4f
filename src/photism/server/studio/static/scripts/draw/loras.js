// @ts-check
/** Weights of the LoRAs of a model. */

import { h } from "../page/dom.js";
import { createSlider } from "../controls/slider.js";

/** Largest weight of a slider; a LoRA that was loaded with a larger one has twice that. */
const LARGEST = 1.5;

/** Create sliders of LoRAs; the element is hidden where a model has none. */
export const createLoras = () => {
  const list = h("div", { class: "fields" });
  const element = h("details", { class: "more", hidden: true }, h("summary", { "data-t": "draw.loras" }), list);
  /** @type {{name: string, weight: number, slider: any}[]} */
  let loras = [];
  return {
    element,
    /**
     * Show the LoRAs of a model.
     * @param {{name: string, weight: number}[]} [given]
     */
    show: (given = []) => {
      loras = given.map(({ name, weight }) => {
        const max = Math.max(LARGEST, 2 * Math.abs(weight));
        const min = weight < 0 ? -max : 0;
        return { name, weight, slider: createSlider({ min, max, step: 0.05, standard: weight, label: name }) };
      });
      element.hidden = !loras.length;
      const hint = h("p", { class: "field-description", "data-t": "draw.loras.hint" });
      list.replaceChildren(hint, ...loras.map(({ name, slider }) => h("div", { class: "field" }, h("bdi", { class: "field-label" }, name), slider)));
    },
    /** Return the texts NAME:WEIGHT of those that differ from what the model was loaded with; undefined if none does. */
    values: () => {
      const changed = loras.filter(({ weight, slider }) => slider.value !== undefined && slider.value !== weight);
      return changed.length ? changed.map(({ name, slider }) => `${name}:${slider.value}`) : undefined;
    },
    /**
     * Set the weights of texts NAME:WEIGHT; the others get their own.
     * @param {string | string[]} [texts]
     */
    set: (texts = []) => {
      const weights = new Map([texts].flat().map((text) => [text.slice(0, text.lastIndexOf(":")), text.slice(text.lastIndexOf(":") + 1)]));
      for (const { name, slider } of loras) slider.value = weights.get(name);
      if (weights.size) element.open = true;
    },
  };
};
