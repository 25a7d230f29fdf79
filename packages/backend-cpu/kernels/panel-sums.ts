/** Panels of one call, at most. */
export const MAX_PANELS: i32 = 8;
/** Heads of one call, at most. */
export const MAX_HEADS: i32 = 4;

/** Bytes of the sums of one call: i32 `[8 panels][4 heads][16 outputs]`. */
export const PANEL_SUMS_BYTES: i32 = 8 * 4 * 16 * 4;

/** Where the sums go: in a thread's own scratch, for threads share all static data. */
export let panelSums: usize = 0;

export function sumPanelsInto(at: usize): void {
  panelSums = at;
}

/** The sums of two output groups. */
// @ts-ignore: decorator
@inline
export function store(out: usize, first: v128, second: v128): void {
  v128.store(out, first);
  v128.store(out, second, 16);
}
