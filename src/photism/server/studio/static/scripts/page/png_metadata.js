// @ts-check
/** Read the settings that a PNG of Photism carries as text. */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Longest text that is read, before and after decompression; settings are far shorter. */
const MAX_BYTES = 2 ** 20;
/** Names of fields by the names that they have in a PNG, if these differ. */
const FIELDS = /** @type {Record<string, string>} */ ({
  num_inference_steps: "steps",
  sound_strength: "strength",
  fade_s: "fade",
  window_s: "window",
  hop_s: "hop",
  attack_s: "attack",
  release_s: "release",
  pulse_s: "pulse",
});
/** Fields of which a PNG holds only the name of a file. */
const FILES = ["image", "mask", "style", "control_image"];
const SHARED = `seed model steps guidance_scale negative long_text text text_place strength lora background
  image_strength`;
/** Fields that a PNG may hold: a drawing, and the storyboard of a film. */
const NAMES = {
  draw: `${SHARED} height width seam control_scale`.split(/\s+/),
  film: `${SHARED} fps sync fade window hop noise zoom attack release pulse`.split(/\s+/),
};

/**
 * Return the settings that a PNG of Photism was drawn with; null for any other file.
 *
 * `verb` is the tab that they are of. `settings` are texts by the names of fields; `files` are the names of the files that
 * were used and that the PNG does not contain.
 * @param {Blob} file
 * @returns {Promise<{verb: "draw" | "film", settings: Record<string, any>, files: string[]} | null>}
 */
export const readSettings = async (file) => {
  const texts = await readTexts(file);
  if (!texts?.Software?.startsWith("photism ")) return null;
  const verb = texts.fps ? "film" : "draw";
  const settings = /** @type {Record<string, any>} */ ({});
  for (const [name, value] of Object.entries(texts)) {
    const field = FIELDS[name] ?? name;
    if (NAMES[verb].includes(field)) settings[field] = valueOf(field, value);
  }
  const files = FILES.map((name) => texts[name]).filter(Boolean);
  return { verb, settings, files };
};

/** @param {string} field @param {string} text */
const valueOf = (field, text) => {
  if (field === "control_scale") return text.split(", ");
  if (field === "lora") return text.split(", ").map((each) => (/:[-+.\d]+$/.test(each) ? each : `${each}:1`));
  return text;
};

/**
 * Return the texts of a PNG by their keywords; null for what is no PNG, or a damaged one.
 * @param {Blob} file
 * @returns {Promise<Record<string, string> | null>}
 */
export const readTexts = async (file) => {
  const bytes = await chunksOf(file);
  if (!bytes) return null;
  const texts = /** @type {Record<string, string>} */ ({});
  for (const { type, data } of bytes) {
    try {
      const found = await decode(type, data);
      if (found) texts[found.keyword] = found.text;
    } catch {
      // A damaged text says nothing about the others.
    }
  }
  return texts;
};

/**
 * Return the chunks of text in a PNG, before or after its pixels, which are skipped; null for what is no PNG.
 * @param {Blob} file
 */
const chunksOf = async (file) => {
  const start = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  if (!SIGNATURE.every((byte, index) => start[index] === byte)) return null;
  const chunks = [];
  for (let offset = 8; offset + 12 <= file.size; ) {
    const head = new DataView(await file.slice(offset, offset + 8).arrayBuffer());
    const length = head.getUint32(0);
    const type = latin1(new Uint8Array(head.buffer, 4, 4));
    if (/^[tiz]TXt$|^tEXt$/.test(type) && length <= MAX_BYTES) {
      chunks.push({ type, data: new Uint8Array(await file.slice(offset + 8, offset + 8 + length).arrayBuffer()) });
    }
    if (type === "IEND") return chunks;
    offset += 12 + length;
  }
  return null; // it ends too early
};

/**
 * Return the keyword and text of a chunk: tEXt as it is, zTXt compressed, iTXt in UTF-8 and perhaps compressed.
 * @param {string} type
 * @param {Uint8Array} data
 */
const decode = async (type, data) => {
  const end = data.indexOf(0);
  if (end < 1) return null;
  const keyword = latin1(data.subarray(0, end));
  if (type === "tEXt") return { keyword, text: latin1(data.subarray(end + 1)) };
  if (type === "zTXt") return { keyword, text: latin1(await inflate(data.subarray(end + 2))) };
  const isCompressed = data[end + 1] === 1;
  const language = data.indexOf(0, end + 3);
  const body = data.subarray(data.indexOf(0, language + 1) + 1);
  return { keyword, text: new TextDecoder().decode(isCompressed ? await inflate(body) : body) };
};

/** @param {Uint8Array} bytes */
const latin1 = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/**
 * Decompress zlib's format.
 * @param {Uint8Array} bytes
 */
const inflate = async (bytes) => {
  const stream = new Blob([/** @type {any} */ (bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const parts = [];
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > MAX_BYTES) throw new Error("the text is too long");
    parts.push(value);
  }
};
