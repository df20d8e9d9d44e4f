// @ts-check
/** All settings of a drawing, besides its recording. */

import * as api from "../page/api.js";
import { createControls, modelChoice, unusedFields } from "../controls/controls.js";
import { h } from "../page/dom.js";
import { createLoras } from "./loras.js";
import { createMixing } from "./mixing.js";
import { reveal } from "../page/run.js";
import { createSeedControl, randomSeed } from "../controls/seed_control.js";
import { linkButton } from "../page/share_link.js";
import { createStartImage } from "./start_image.js";

const COMMON = ["seed", "images", "guidance_scale", "text"];
/** Fields that parts of their own set. */
const OWN = ["file", "model", "image", "mask", "image_strength", "seam", "mix", "morph", "lora", "preview_steps"];

/**
 * Create the settings of a drawing.
 *
 * Their values are fields of /v1/draw, apart from `others`: the recordings that are drawn together with the one on top.
 * @param {{recording: any, history: any}} shared
 */
export const createSettings = async (shared) => {
  const models = (await api.models()).filter((/** @type {any} */ { kinds }) => kinds.includes("drawing"));
  const model = await modelChoice("drawing");
  const hidden = [...OWN, ...unusedFields(models)];
  const most = { images: (await api.context()).limits.max_images };
  const controls = await createControls({ path: "/v1/draw", common: COMMON, hidden, most, custom: { seed: createSeedControl } });
  const [start, mixing] = await Promise.all([createStartImage(), createMixing(shared)]);
  const loras = createLoras();
  const showModel = () => loras.show((models.find((/** @type {any} */ { id }) => id === model.value) ?? models[0]).loras);
  model.addEventListener("change", showModel);
  showModel();
  /** Values that a link can hold. */
  const plainValues = () => ({ ...controls.values(), model: model.value, lora: loras.values() });

  /** Those, and the files that a link leaves out, which its message then says. */
  const linkValues = () => ({ ...plainValues(), image: start.file, others: mixing.values().others });

  /** Set values, and give all others their defaults; a picture to start from that comes alone changes nothing else. */
  const open = async (/** @type {Record<string, any>} */ given) => {
    if (Object.keys(given).join() === "image") return start.setImage(given.image);
    model.value = given.model;
    showModel();
    controls.reset();
    controls.set(given);
    loras.set(given.lora);
    mixing.set(given);
    await start.set(given);
  };
  const resetButton = h("button", { class: "button quiet", type: "button", "data-t": "draw.reset", onclick: () => open({}) });
  const [inSight, folded] = controls.element.children;
  const foot = h("div", { class: "row" }, linkButton("draw", linkValues), resetButton);
  const parts = [model, inSight, start.element, mixing.element, loras.element, folded, foot];
  return {
    element: h("div", { class: "draw-settings stack" }, ...parts),
    open,
    /**
     * Return the values that differ from their defaults.
     * @throws {api.Problem} if one cannot be used
     */
    values: async () => withoutNothing({ ...plainValues(), ...mixing.values(), ...(await start.values()) }),
    /** Choose another seed. */
    vary: () => controls.set({ seed: randomSeed() }),
    startFrom: async (/** @type {File} */ file) => {
      await start.setImage(file);
      reveal(start.canvas ?? start.element);
    },
    /** Number of pictures of a movement that nobody has chosen. */
    usualMorph: mixing.usualMorph,
  };
};

/** @param {Record<string, any>} values */
const withoutNothing = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
