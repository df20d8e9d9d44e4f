// @ts-check
/** The HTTP interface of the server: requests, problems, events. */

import { readEvents } from "./events.js";

const EVENT_STREAM = "text/event-stream";
/** Seconds that a request waits at most by itself when the server asks to try again. */
const PATIENCE_S = 10;
/** Types of answers that have no problem object, because a proxy in front of the server sent them. */
const PROXY_PROBLEMS = new Map([
  [401, "unauthorized"],
  [413, "too-large"],
  [502, "unreachable"],
  [503, "busy"],
  [504, "unreachable"],
]);

/**
 * A problem (RFC 9457) of the server, or one that arose on the way: "unreachable" and "cancelled". The details of one of
 * the type "explained" are words for the visitor already.
 */
export class Problem extends Error {
  /** @param {{type?: string, title?: string, status?: number, detail?: string, field?: string | null, remedy?: string | null,
   *   code?: string | null, values?: Record<string, any>, retryAfterS?: number}} given code: name of the cause; values:
   *   numbers and words of it */
  constructor(given) {
    super(given.detail ?? given.title ?? given.type ?? "");
    this.name = "Problem";
    this.type = (given.type ?? "internal").split("/").pop() ?? "internal";
    this.title = given.title ?? "";
    this.status = given.status ?? 0;
    this.detail = given.detail ?? "";
    this.field = given.field ?? null;
    this.remedy = given.remedy ?? null;
    this.code = given.code ?? null;
    this.values = given.values ?? {};
    this.retryAfterS = given.retryAfterS ?? null;
  }
}

/**
 * Return the URL of a path of the server, such as "/v1/draw", wherever a proxy publishes it.
 * @param {string} path
 */
export const url = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;

/**
 * Request a path, and return its JSON.
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 */
export const get = async (path, { signal } = {}) => (await request(path, { signal })).json();

/**
 * Send fields to an endpoint, and return its response, which has no problem.
 * @param {string} path
 * @param {Record<string, unknown>} fields
 * @param {{signal?: AbortSignal, accept?: string}} [options]
 */
export const post = (path, fields, { signal, accept } = {}) =>
  request(path, { method: "POST", body: formOf(fields), signal, headers: accept ? { Accept: accept } : {} });

/**
 * Send a request with another method, such as DELETE.
 * @param {string} path
 * @param {string} method
 * @param {{signal?: AbortSignal}} [options]
 */
export const send = (path, method, { signal } = {}) => request(path, { method, signal });

/**
 * Send fields to an endpoint, report its events as they come, and return the data of the event "result".
 * Without fields, the path is requested with GET.
 * @param {string} path
 * @param {Record<string, unknown> | null} fields
 * @param {{signal?: AbortSignal, onEvent?: (name: string, data: any) => void}} [options]
 */
export const stream = async (path, fields, { signal, onEvent = () => {} } = {}) => {
  const method = fields === null ? { method: "GET" } : { method: "POST", body: formOf(fields) };
  const response = await request(path, { ...method, signal, headers: { Accept: EVENT_STREAM } });
  try {
    for await (const { name, data } of readEvents(response)) {
      const value = JSON.parse(data);
      signal?.throwIfAborted(); // events that had arrived before Stop
      if (name === "error") throw new Problem(value);
      onEvent(name, value);
      if (name === "result") return value;
    }
  } catch (error) {
    throw asProblem(error, signal);
  }
  throw new Problem({ type: "unreachable" });
};

/** @type {Map<string, Promise<any>>} */
const cache = new Map();

/** Return the models of the server, as /v1/models lists them. */
export const models = async () => (await cached("/v1/models")).data;

/** Return what the page must know of the server: its version, limits and examples. */
export const context = () => cached("/studio/context.json");

/**
 * Return the JSON schemas of the fields of an endpoint's form, or of a WebSocket's settings, by their names.
 * @param {string} path
 */
export const fields = async (path) => {
  const description = await cached("/openapi.json");
  const socket = description["x-websockets"][path];
  if (!socket) return description.paths[path].post.requestBody.content["multipart/form-data"].schema.properties;
  return Object.fromEntries(Object.entries(socket.settings.properties).map(([name, schema]) => [name, withoutNull(schema)]));
};

/**
 * Return the schema of a value without null, which stands for no value in JSON and does not exist in forms.
 * @param {any} schema
 */
const withoutNull = ({ anyOf, ...schema }) => ({ ...anyOf?.find((/** @type {any} */ { type }) => type !== "null"), ...schema });

/** @param {string} path */
const cached = (path) => {
  const found = cache.get(path) ?? get(path);
  cache.set(path, found);
  found.catch(() => cache.delete(path));
  return found;
};

/** @param {Record<string, unknown>} fields */
const formOf = (fields) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each === undefined || each === null) continue;
      if (each instanceof File) form.append(name, each, each.name);
      else if (each instanceof Blob) form.append(name, each, name);
      else form.append(name, String(each));
    }
  }
  return form;
};

/**
 * Request a path, once more if the server asks for that soon, and return the response.
 * @param {string} path
 * @param {RequestInit & {signal?: AbortSignal}} options
 */
const request = async (path, options) => {
  const first = await attempt(path, options);
  if (first.ok) return first;
  const problem = await problemOf(first);
  const wait = problem.retryAfterS;
  if (wait === null || wait > PATIENCE_S || ![429, 503].includes(problem.status)) throw problem;
  await pause(wait, options.signal);
  const second = await attempt(path, options);
  if (second.ok) return second;
  throw await problemOf(second);
};

/** @param {string} path @param {RequestInit & {signal?: AbortSignal}} options */
const attempt = async (path, options) => {
  try {
    return await fetch(url(path), options);
  } catch (error) {
    throw asProblem(error, options.signal);
  }
};

/** @param {Response} response */
const problemOf = async (response) => {
  const after = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const given = await response.json().catch(() => ({ type: PROXY_PROBLEMS.get(response.status), detail: response.statusText }));
  return new Problem({ ...given, status: response.status, retryAfterS: Number.isFinite(after) ? after : undefined });
};

/** @param {unknown} error @param {AbortSignal} [signal] */
const asProblem = (error, signal) => {
  if (error instanceof Problem) return error;
  if (signal?.aborted) return new Problem({ type: "cancelled" });
  return new Problem({ type: "unreachable", detail: String(error) });
};

/** @param {number} seconds @param {AbortSignal} [signal] */
const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(new Problem({ type: "cancelled" }));
      else resolve(undefined);
    };
    const timer = setTimeout(end, seconds * 1000);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  });
