/** Outlines of marks, from -1 to 1. A legend draws them as the chart does, unlike conditional opacity and strokes. */

/** An upright cross, rotated by 45 degrees. */
export const CROSS = "M-1,-.64L-.64,-1L0,-.36L.64,-1L1,-.64L.36,0L1,.64L.64,1L0,.36L-.64,1L-1,.64L-.36,0Z";

/** A square with a hole, whose edge runs the other way round. */
export const HOLLOW_SQUARE = "M-1,-1L1,-1L1,1L-1,1ZM-.4,-.4L-.4,.4L.4,.4L.4,-.4Z";
