// @ts-check
/** A form control for one field of an endpoint, checked before it is sent. */

import { Problem } from "../page/api.js";
import { h, newId } from "../page/dom.js";
import { createFilePicker } from "./file_picker.js";
import { describe, formatNumber, t } from "../page/i18n.js";
import { fieldLabel } from "../page/problems.js";

/**
 * @typedef {{element: any, name: string, value: () => any, set: (value: any) => void, focus: () => void}} Field
 * @typedef {{input: any, read: () => any, write: (value: any) => void}} Control read returns undefined for the default
 */

/**
 * Create the labelled control of a field.
 * @param {string} name in requests
 * @param {any} schema JSON schema of the field
 * @param {{path?: string, custom?: (schema: any) => any}} [options] path: of its endpoint; custom: returns an element with
 *   `value` in place of the usual control
 * @returns {Field}
 */
export const createField = (name, schema, { path, custom } = {}) => {
  const label = fieldLabel(name, path);
  const control = custom ? customControl(custom(schema)) : controlOf(name, schema, label);
  const id = newId(name);
  const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
  control.input.id ||= id;
  control.input.setAttribute("aria-describedby", `${id}-description ${id}-error`);
  const showProblem = (/** @type {string} */ text) => {
    error.hidden = !text;
    error.textContent = text;
    if (text) control.input.setAttribute("aria-invalid", "true");
    else control.input.removeAttribute("aria-invalid");
  };
  const isChecked = schema.type === "boolean" && !custom;
  const words = h("label", { class: "field-label", for: control.input.id }, label);
  const description = h("p", { class: "field-description", id: `${id}-description` }, describe(schema.description ?? ""));
  const parts = isChecked ? [h("div", { class: "check" }, control.input, words)] : [words, control.input];
  const element = h("div", { class: "field", "data-field": name }, ...parts, description, error);
  element.addEventListener("input", () => showProblem(""));
  element.addEventListener("problem", (/** @type {any} */ { detail }) => {
    const folded = element.closest("details");
    if (folded) folded.open = true;
    showProblem(detail);
  });
  return {
    element,
    name,
    value: () => {
      showProblem("");
      try {
        return control.read();
      } catch (problem) {
        if (problem instanceof Problem) showProblem(problem.detail);
        throw problem;
      }
    },
    set: (value) => {
      showProblem("");
      control.write(value);
    },
    focus: () => control.input.focus(),
  };
};

/** @param {any} element @returns {Control} */
const customControl = (element) => ({
  input: element,
  read: () => {
    const { value } = element; // of which 0 is one
    return value === "" || value === null ? undefined : value;
  },
  write: (value) => (element.value = value ?? ""),
});

/** @param {string} name @param {any} schema @param {string} label @returns {Control} */
const controlOf = (name, schema, label) => {
  const item = schema.type === "array" ? schema.items : schema;
  if (item.format === "binary") return createFilePicker(name, schema.type === "array");
  if (schema.type === "array") return listControl(schema, label);
  if (schema.enum) return choiceControl(schema);
  if (schema.type === "boolean") return switchControl(schema);
  if (schema.type === "integer" || schema.type === "number") return numberControl(schema, label);
  return textControl(schema);
};

/** @param {any} schema @returns {Control} */
const switchControl = (schema) => {
  const standard = Boolean(schema.default);
  const input = h("input", { type: "checkbox", checked: standard });
  return {
    input,
    read: () => (input.checked === standard ? undefined : input.checked),
    write: (value) => (input.checked = value === undefined ? standard : value === true || value === "true"),
  };
};

/** @param {any} schema @returns {Control} */
const choiceControl = (schema) => {
  const standard = schema.default ?? "";
  const options = schema.enum.map((/** @type {string} */ value) => h("option", { value }, describe(String(value))));
  const first = schema.default === undefined ? [h("option", { value: "", "data-t": "controls.default" })] : [];
  const input = h("select", {}, ...first, ...options);
  input.value = standard;
  return {
    input,
    read: () => (input.value === String(standard) ? undefined : input.value),
    write: (value) => (input.value = value ?? standard),
  };
};

/** @param {any} schema @returns {Control} */
const textControl = (schema) => {
  const placeholder = schema.default === undefined ? null : String(schema.default);
  const input = h("input", { type: "text", maxlength: schema.maxLength, placeholder, autocomplete: "off" });
  return {
    input,
    read: () => (input.value.trim() === String(schema.default ?? "") ? undefined : input.value.trim() || undefined),
    write: (value) => (input.value = value ?? ""),
  };
};

/**
 * Create the box of a number: an empty one, which shows the default, stands for it.
 * @param {any} schema @param {string} label @returns {Control}
 */
const numberControl = (schema, label) => {
  const isWhole = schema.type === "integer";
  const placeholder = schema.default === undefined ? t("controls.default") : formatNumber(schema.default);
  const input = h("input", {
    type: "number",
    inputmode: isWhole ? "numeric" : "decimal",
    step: isWhole ? 1 : "any",
    min: schema.minimum ?? schema.exclusiveMinimum,
    max: schema.maximum ?? schema.exclusiveMaximum,
    placeholder,
  });
  return {
    input,
    read: () => {
      const isEmpty = input.value === "" && !input.validity.badInput;
      const value = isEmpty ? undefined : checkedNumber(input.valueAsNumber, schema, label);
      return value === schema.default ? undefined : value;
    },
    write: (value) => (input.value = value ?? ""),
  };
};

/** @param {any} schema @param {string} label @returns {Control} */
const listControl = (schema, label) => {
  const isNumber = schema.items.type !== "string";
  const input = h("textarea", { rows: 2, "data-t-placeholder": isNumber ? "controls.numbers" : "controls.lines" });
  const items = () => input.value.split(isNumber ? /[\s;,]+/ : /\n/).map((/** @type {string} */ each) => each.trim());
  return {
    input,
    read: () => {
      const found = items().filter(Boolean);
      const values = isNumber ? found.map((/** @type {string} */ each) => checkedNumber(Number(each), schema.items, label)) : found;
      return values.length ? values : undefined;
    },
    write: (value) => (input.value = [value ?? []].flat().join(isNumber ? ", " : "\n")),
  };
};

/**
 * Return a number that a field may have.
 * @param {number} value @param {any} schema @param {string} label
 * @throws {Problem} if the field may not have it
 */
export const checkedNumber = (value, schema, label) => {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = schema;
  const wrong = (/** @type {string} */ key, values = {}) =>
    new Problem({ type: "explained", detail: t(key, { label, ...values }) });
  if (!Number.isFinite(value)) throw wrong("problems.number");
  if (schema.type === "integer" && !Number.isInteger(value)) throw wrong("problems.whole-number");
  if (value < minimum) throw wrong("problems.at-least", { limit: minimum });
  if (value <= exclusiveMinimum) throw wrong("problems.above", { limit: exclusiveMinimum });
  if (value > maximum) throw wrong("problems.at-most", { limit: maximum });
  if (value >= exclusiveMaximum) throw wrong("problems.below", { limit: exclusiveMaximum });
  return value;
};
