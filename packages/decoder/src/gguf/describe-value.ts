const MOST_SHOWN = 8;

/** A metadata value for error messages: texts in quotes, lists as their length and first entries. */
export const describeValue = (value: unknown): string => {
  const list = listOf(value);
  if (list === undefined) return describeScalar(value);
  const shown = list.slice(0, MOST_SHOWN).map(describeValue).join(", ");
  return `a list of ${list.length} [${shown}${list.length > MOST_SHOWN ? ", ..." : ""}]`;
};

/** Entries of a list or typed array; undefined for other values. */
export const listOf = (value: unknown): readonly unknown[] | undefined => {
  if (Array.isArray(value)) return value;
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
    ? Array.from(value as unknown as ArrayLike<number>)
    : undefined;
};

const describeScalar = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean"
    ? String(value)
    : "nothing";
};
