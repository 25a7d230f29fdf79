/** Tokens appended and attended to at a time. Keeps what a row carries from tile to tile in the L2 cache. */
export const CHUNK_TOKENS = 64;
