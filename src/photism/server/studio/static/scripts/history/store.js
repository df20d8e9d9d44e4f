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
 * @param {{maxEntries?: number, maxBytes?: number}} [limits]
 */
export const openStore = async (limits = {}) => {
  const database = await openDatabase().catch(() => null);
  const found = database && (await readAll(database).catch(() => null));
  return new HistoryStore(found && database, found ?? [], limits);
};

/** The entries of the history, which are kept where the browser keeps anything. */
class HistoryStore {
  #database;
  #limits;
  #stored;
  /** To the same page in other tabs: the id of an entry that is deleted, or null for all. */
  #deletions = new BroadcastChannel("photism-history");

  /**
   * @param {IDBDatabase | null} database null where the browser keeps nothing
   * @param {Entry[]} found
   * @param {{maxEntries?: number, maxBytes?: number}} limits
   */
  constructor(database, found, limits) {
    this.#database = database;
    this.#limits = { maxEntries: MAX_ENTRIES, maxBytes: MAX_BYTES, ...limits };
    /** Whether entries survive that the page is left; not in some private windows, or when the disk is full. */
    this.isKept = database !== null;
    /** The entries, the oldest first. */
    this.entries = found.toSorted((one, other) => one.createdAt - other.createdAt);
    this.#stored = new Set(found.map(({ id }) => id));
    /** Called when entries were deleted in another tab. */
    this.onDeleted = () => {};
    this.#deletions.addEventListener("message", ({ data }) => {
      this.#forget(data);
      this.onDeleted();
    });
  }

  /** Add or change an entry, and remove the oldest ones that no longer fit. @param {Entry} entry */
  async put(entry) {
    const { maxEntries, maxBytes } = this.#limits;
    if (!this.entries.includes(entry)) this.entries.push(entry);
    while (this.entries.length > 1 && (this.entries.length > maxEntries || totalBytes(this.entries) > maxBytes)) {
      await this.remove(this.entries[0].id);
    }
    if (this.entries.includes(entry)) this.isKept = await this.#putOrMakeRoom(entry);
  }

  /** @param {string} id */
  async remove(id) {
    this.#forget(id);
    this.#deletions.postMessage(id);
    await this.#removeStored(id);
  }

  async clear() {
    this.#forget(null);
    this.#deletions.postMessage(null);
    await this.#write((each) => each.clear()).catch(() => {});
  }

  /** Take an entry, or all for null, off the list. @param {string | null} id */
  #forget(id) {
    this.entries = this.entries.filter((entry) => id !== null && entry.id !== id);
    this.#stored = new Set(this.entries.map((entry) => entry.id).filter((each) => this.#stored.has(each)));
  }

  /** @param {(store: IDBObjectStore) => IDBRequest} act */
  async #write(act) {
    if (!this.#database) throw new Error("the browser keeps nothing");
    await run(this.#database, "readwrite", act);
  }

  /** @param {string} id */
  async #removeStored(id) {
    this.#stored.delete(id);
    await this.#write((each) => each.delete(id)).catch(() => {});
  }

  /**
   * Store an entry, in place of older ones if the browser has no more room, and return whether it is stored.
   * @param {Entry} entry
   */
  async #putOrMakeRoom(entry) {
    const older = this.entries.filter((each) => each !== entry && this.#stored.has(each.id));
    for (let freed = 0; ; ) {
      try {
        await this.#write((each) => each.put(entry));
        this.#stored.add(entry.id);
        return true;
      } catch (error) {
        const oldest = older.shift();
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        if (!isFull || !oldest || freed > entryBytes(entry)) return false;
        freed += entryBytes(oldest);
        await this.#removeStored(oldest.id); // it stays in the list until the page is left
      }
    }
  }
}

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
