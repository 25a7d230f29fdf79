/** Tokens of a tile: one per lane of a workgroup. */
export const TILE_TOKENS = 64;
