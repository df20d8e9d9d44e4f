// @ts-check
/** What to say: the names that the model knows. */

/** Return the list of what to say; null if the model has none. */
export const createCatalogue = async () => null;
