// @ts-check
/** Entries of the history in the browser's database, or in memory where the browser keeps nothing. */

const DATABASE = "photism";
const STORE = "history";
/** Most entries that are kept; the oldest go first. */
const MAX_ENTRIES = 120;
/** Most bytes of recordings and results that are kept. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * @typedef {{blob: Blob, kind: "image" | "video" | "audio" | "text", name: string, alt: string}} Result
 * @typedef {{id: string, createdAt: number, verb: string, recording: Blob | null, name: string, seed: number | null,
 *   settings: Record<string, any>, results: Result[], caption: string | null, known: boolean | null}} Entry
 */

/**
 * Open the store of entries.
 *
 * `isKept` is false where entries are lost when the page is left: in some private windows, or when the disk is full.
 * @param {{maxEntries?: number, maxBytes?: number}} [limits]
 */
export const openStore = async ({ maxEntries = MAX_ENTRIES, maxBytes = MAX_BYTES } = {}) => {
  const database = await openDatabase().catch(() => null);
  const stored = database ? await readAll(database).catch(() => null) : null;
  /** @type {Entry[]} */
  const entries = (stored ?? []).toSorted((one, other) => one.createdAt - other.createdAt);
  const store = {
    isKept: stored !== null,
    /** The entries, the oldest first. */
    entries,
    /**
     * Add or change an entry, and remove the oldest ones that no longer fit.
     * @param {Entry} entry
     */
    put: async (entry) => {
      if (!entries.includes(entry)) entries.push(entry);
      while (entries.length > 1 && (entries.length > maxEntries || totalBytes(entries) > maxBytes)) {
        await store.remove(entries[0].id);
      }
      if (stored && entries.includes(entry)) store.isKept = await putOrMakeRoom(entry);
    },
    /** @param {string} id */
    remove: async (id) => {
      const index = entries.findIndex((entry) => entry.id === id);
      if (index >= 0) entries.splice(index, 1);
      if (database) await run(database, "readwrite", (each) => each.delete(id)).catch(() => {});
    },
    clear: async () => {
      entries.length = 0;
      if (database) await run(database, "readwrite", (each) => each.clear()).catch(() => {});
    },
  };

  /** Store an entry in place of older ones if the browser has no more room, and return whether it is stored. */
  const putOrMakeRoom = async (/** @type {Entry} */ entry) => {
    for (;;) {
      try {
        await run(/** @type {IDBDatabase} */ (database), "readwrite", (each) => each.put(entry));
        return true;
      } catch {
        if (entries[0] === entry) return false;
        await store.remove(entries[0].id);
      }
    }
  };
  return store;
};

/**
 * Return the bytes of the files of an entry.
 * @param {Entry} entry
 */
export const entryBytes = ({ recording, results, settings }) => {
  const blobs = [recording, ...results.map(({ blob }) => blob), ...Object.values(settings).flat()];
  return blobs.reduce((sum, each) => sum + (each instanceof Blob ? each.size : 0), 0);
};

/** @param {Entry[]} entries */
const totalBytes = (entries) => entries.reduce((sum, entry) => sum + entryBytes(entry), 0);

/** @returns {Promise<IDBDatabase>} */
const openDatabase = () =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.addEventListener("upgradeneeded", () => request.result.createObjectStore(STORE, { keyPath: "id" }));
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });

/** @param {IDBDatabase} database @returns {Promise<Entry[]>} */
const readAll = (database) => run(database, "readonly", (store) => store.getAll());

/**
 * Run one request in a transaction of its own, and return its result when it is complete.
 * @param {IDBDatabase} database
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>}
 */
const run = (database, mode, act) =>
  new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    const request = act(transaction.objectStore(STORE));
    transaction.addEventListener("complete", () => resolve(request.result));
    transaction.addEventListener("error", () => reject(transaction.error));
    transaction.addEventListener("abort", () => reject(transaction.error));
  });
