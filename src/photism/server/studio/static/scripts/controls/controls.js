// @ts-check
/** Form controls of the fields of an endpoint, from the server's own description of them. */

import * as api from "../page/api.js";
import { createField } from "./field.js";
import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";

/** Fields that need an IP-Adapter or a ControlNet, by the image that a model with one takes. */
const GUIDES = { style: ["style"], control_image: ["control_image", "control_scale"] };

/**
 * Return the fields that none of these drawing models can use.
 * @param {{images?: string[]}[]} models
 */
export const unusedFields = (models) => {
  const images = models.flatMap((each) => each.images ?? []);
  return Object.entries(GUIDES).flatMap(([image, fields]) => (images.includes(image) ? [] : fields));
};

/**
 * Create the controls of the fields of an endpoint.
 *
 * The element dispatches "change" when a value has changed.
 * @param {{path: string, common?: string[], hidden?: string[], only?: string[],
 *   most?: Record<string, number>,
 *   custom?: Record<string, (schema: any) => any>}} options
 *   path: of the endpoint; common: fields in sight, in this order, while others are folded; hidden: fields that the
 *   view sets itself; only: the fields that there are, if not all; most: limits of this server, of
 *   fields whose description has none; custom: elements for some fields, each with a
 *   property `value` and the event "change"
 */
export const createControls = async ({ path, common = [], hidden = [], only, most = {}, custom = {} }) => {
  const schemas = await api.fields(path);
  const names = Object.keys(schemas).filter((name) => !hidden.includes(name) && (!only || only.includes(name)));
  const create = (/** @type {string} */ name) => createField(name, bounded(schemas[name], most[name]), { path, custom: custom[name] });
  const inSight = common.filter((name) => names.includes(name)).map(create);
  const folded = names.filter((name) => !common.includes(name)).map(create);
  const all = [...inSight, ...folded];
  const more = h(
    "details",
    { class: "more" },
    h("summary", { "data-t": "controls.all" }),
    h("div", { class: "fields" }, ...folded.map(({ element }) => element)),
  );
  const element = h(
    "div",
    { class: "controls" },
    h("div", { class: "fields" }, ...inSight.map((field) => field.element)),
    folded.length ? more : null,
  );

  return {
    element,
    /** Return the values that differ from their defaults, checked; a value that cannot be used throws a Problem. */
    values: () => {
      /** @type {Record<string, any>} */
      const found = {};
      for (const field of all) {
        try {
          const value = field.value();
          if (value !== undefined) found[field.name] = value;
        } catch (problem) {
          if (folded.includes(field)) more.open = true;
          field.focus();
          throw problem;
        }
      }
      return found;
    },
    /** Set values by the names of their fields; fields that are not named keep theirs. */
    set: (/** @type {Record<string, any>} */ values) => {
      for (const field of all) if (field.name in values) field.set(values[field.name]);
      const isFolded = folded.some(({ name }) => name in values);
      if (isFolded) more.open = true;
    },
    /** Give all fields their defaults. */
    reset: () => all.forEach((field) => field.set(undefined)),
  };
};

/** @param {any} schema @param {number | undefined} most */
const bounded = (schema, most) => (most === undefined ? schema : { ...schema, maximum: Math.min(most, schema.maximum ?? most) });

/**
 * Create a choice among the models of a kind; it is hidden if there is only one.
 *
 * The element has `value`, the name of the chosen model or undefined for the default, and dispatches "change".
 * @param {string} kind such as "drawing"
 */
export const modelChoice = async (kind) => {
  const names = (await api.models())
    .filter((/** @type {{kinds: string[]}} */ model) => model.kinds.includes(kind))
    .map((/** @type {{id: string}} */ { id }) => id);
  const select = h("select", {}, ...names.map((/** @type {string} */ name) => h("option", { value: name }, name)));
  const label = h("label", { class: "field", hidden: names.length < 2 }, h("span", { class: "field-label" }, t("controls.model")), select);
  Object.defineProperty(label, "value", {
    get: () => (names.length < 2 || select.selectedIndex === 0 ? undefined : select.value),
    set: (name) => {
      select.value = names.includes(name) ? name : names[0];
    },
  });
  return label;
};
