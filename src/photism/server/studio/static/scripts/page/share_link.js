// @ts-check
/** Links that open a tab with settings. A link never holds a recording or another file. */

import * as api from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { showNotice } from "./notice.js";
import { fieldLabel } from "./problems.js";
import { VIEWS } from "../views.js";

/** The endpoints of tabs, whose fields their links may hold. */
const ENDPOINTS = /** @type {Record<string, string[]>} */ ({
  draw: ["/v1/draw"],
  film: ["/v1/film"],
  hear: ["/v1/hear"],
  label: ["/v1/label"],
  transcribe: ["/v1/transcribe", "/v1/audio/transcriptions"],
  speakers: ["/v1/speakers/timeline", "/v1/speakers/verify"],
  sound: ["/v1/sound"],
  search: ["/v1/search"],
  live: ["/v1/live/drawing"],
});
const TRUE_OR_FALSE = /** @type {Record<string, boolean>} */ ({ true: true, True: true, false: false, False: false });

/**
 * Return the URL that opens a tab with settings; files are left out.
 * @param {string} verb
 * @param {Record<string, unknown>} settings
 */
export const link = (verb, settings) => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(settings)) {
    for (const each of [value].flat()) {
      if (["string", "number", "boolean"].includes(typeof each)) query.append(name, String(each));
    }
  }
  const url = new URL(document.baseURI);
  url.search = "";
  url.hash = query.size ? `${verb}?${query}` : verb;
  return url.href;
};

/** Return the tab and the unchecked settings that the address names, as texts or lists; null if it names none. */
export const readLink = () => {
  const [verb, ...rest] = location.hash.slice(1).split("?");
  if (!verb) return null;
  const query = new URLSearchParams(rest.join("?"));
  const settings = /** @type {Record<string, string | string[]>} */ ({});
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
    settings[name] = values.length > 1 ? values : values[0];
  }
  return { verb, settings };
};

/** Return the tab and the settings that the address names, and say which ones are ignored; null if it names none. */
export const openedLink = async () => {
  const found = readLink();
  if (!found) return null;
  if (!VIEWS.some(({ id }) => id === found.verb)) {
    showNotice(t("history.link.unknown-tab", { name: found.verb.slice(0, 40) }));
    return null;
  }
  const { settings, ignored } = await checkSettings(found.verb, found.settings);
  if (ignored.length) showNotice(t("history.ignored", { names: ignored.join(", ") }));
  return { verb: found.verb, settings };
};

/**
 * Return those settings that the fields of a tab can have, as values of their types, and the labels of the others.
 * @param {string} verb
 * @param {Record<string, string | string[]>} texts
 */
export const checkSettings = async (verb, texts) => {
  const schemas = Object.keys(texts).length ? await schemasOf(verb) : {};
  const isOffered = offeredBy(await api.models());
  const settings = /** @type {Record<string, any>} */ ({});
  const ignored = [];
  for (const [name, text] of Object.entries(texts)) {
    const value = schemas[name] && valueOf(schemas[name], text);
    if (value !== undefined && isOffered(name, value)) settings[name] = value;
    else ignored.push(schemas[name] ? `${fieldLabel(name)} (${String(text).slice(0, 40)})` : name.slice(0, 40));
  }
  return { settings, ignored };
};

/**
 * Return a function that says whether the server has the models and LoRAs that a setting names.
 * @param {{id: string, loras?: {name: string}[]}[]} models
 */
const offeredBy = (models) => {
  const loras = models.flatMap((model) => (model.loras ?? []).map(({ name }) => name));
  return (/** @type {string} */ name, /** @type {any} */ value) => {
    if (name === "model") return models.some(({ id }) => id === value);
    return name !== "lora" || value.every((/** @type {string} */ each) => loras.includes(each.replace(/:[^:]*$/, "")));
  };
};

/** @param {string} verb @returns {Promise<Record<string, any>>} */
const schemasOf = async (verb) => {
  const found = await Promise.all(ENDPOINTS[verb].map((path) => api.fields(path).catch(() => ({}))));
  return Object.assign({}, ...found);
};

/**
 * Return the value that a text stands for, or undefined if the field cannot have it.
 * @param {any} schema @param {string | string[]} text
 * @returns {any}
 */
const valueOf = (schema, text) => {
  if (schema.type === "array") {
    const values = [text].flat().map((each) => valueOf(schema.items, each));
    return values.includes(undefined) || values.length > (schema.maxItems ?? values.length) ? undefined : values;
  }
  if (typeof text !== "string" || schema.format === "binary") return undefined;
  if (schema.enum) return schema.enum.find((/** @type {unknown} */ each) => String(each) === text);
  const types = [schema.type].flat();
  if (types.includes("boolean")) return TRUE_OR_FALSE[text];
  const number = types.includes("integer") || types.includes("number") ? numberOf(schema, types, text) : undefined;
  if (number !== undefined || !types.includes("string")) return number;
  return text.length <= (schema.maxLength ?? text.length) ? text : undefined;
};

/** @param {any} schema @param {string[]} types @param {string} text */
const numberOf = (schema, types, text) => {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || (!types.includes("number") && !Number.isSafeInteger(value))) return undefined;
  const { minimum = -Infinity, exclusiveMinimum = -Infinity, maximum = Infinity, exclusiveMaximum = Infinity } = schema;
  const isWithin = value >= minimum && value <= maximum && value > exclusiveMinimum && value < exclusiveMaximum;
  return isWithin ? value : undefined;
};

/**
 * Create a button that copies the link to a tab with its present settings.
 * @param {string} verb
 * @param {() => Record<string, unknown>} settings
 */
export const linkButton = (verb, settings) =>
  h(
    "button",
    { class: "button quiet", type: "button", onclick: () => copyLink(verb, settings()) },
    t("history.link"),
  );

/**
 * Copy the link to a tab with settings, or show it where the browser does not allow that.
 * @param {string} verb
 * @param {Record<string, unknown>} settings
 */
export const copyLink = async (verb, settings) => {
  const url = link(verb, settings);
  const hasFiles = Object.values(settings).flat().some((value) => value instanceof Blob);
  const missing = hasFiles ? ` ${t("history.link.files")}` : "";
  try {
    await navigator.clipboard.writeText(url);
    showNotice(t("history.link.copied") + missing);
  } catch {
    showNotice(t("history.link.shown", { url }) + missing);
  }
};
