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
 *   settings: Record<string, any>, results: Result[], caption: string | null, known: boolean | null, shown: any}} Entry
 *   shown: what the view of the verb needs besides the results to show them again
 */

/**
 * Open the store of entries.
 *
 * `isKept` is false where entries are lost when the page is left: in some private windows, or when the disk is full.
 * @param {{maxEntries?: number, maxBytes?: number}} [limits]
 */
export const openStore = async ({ maxEntries = MAX_ENTRIES, maxBytes = MAX_BYTES } = {}) => {
  const database = await openDatabase().catch(() => null);
  const found = database && (await readAll(database).catch(() => null));
  /** @type {Entry[]} */
  const entries = (found ?? []).toSorted((one, other) => one.createdAt - other.createdAt);
  const stored = new Set(entries.map(({ id }) => id));

  const write = async (/** @type {(store: IDBObjectStore) => IDBRequest} */ act) => {
    if (!database || !found) throw new Error("the browser keeps nothing");
    await run(database, "readwrite", act);
  };
  const removeStored = async (/** @type {string} */ id) => {
    stored.delete(id);
    await write((each) => each.delete(id)).catch(() => {});
  };

  /** Store an entry, in place of older ones if the browser has no more room, and return whether it is stored. */
  const putOrMakeRoom = async (/** @type {Entry} */ entry) => {
    const older = entries.filter((each) => each !== entry && stored.has(each.id));
    for (let freed = 0; ; ) {
      try {
        await write((each) => each.put(entry));
        stored.add(entry.id);
        return true;
      } catch (error) {
        const oldest = older.shift();
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        if (!isFull || !oldest || freed > entryBytes(entry)) return false;
        freed += entryBytes(oldest);
        await removeStored(oldest.id); // it stays in the list until the page is left
      }
    }
  };

  const store = {
    isKept: found !== null,
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
      if (entries.includes(entry)) store.isKept = await putOrMakeRoom(entry);
    },
    /** @param {string} id */
    remove: async (id) => {
      const index = entries.findIndex((entry) => entry.id === id);
      if (index >= 0) entries.splice(index, 1);
      await removeStored(id);
    },
    clear: async () => {
      entries.length = 0;
      stored.clear();
      await write((each) => each.clear()).catch(() => {});
    },
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
    if (mode === "readwrite") transaction.commit(); // at once: a page that is being left gets no answer to the request
    transaction.addEventListener("complete", () => resolve(request.result));
    transaction.addEventListener("error", () => reject(transaction.error));
    transaction.addEventListener("abort", () => reject(transaction.error));
  });
