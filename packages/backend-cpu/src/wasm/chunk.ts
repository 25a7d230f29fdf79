/** Tokens that are appended and attended to at a time: what a row carries from tile to tile then stays in the L2 cache. */
export const CHUNK_TOKENS = 64;
