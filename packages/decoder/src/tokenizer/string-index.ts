/** The last index of a text, given whole or in parts; undefined if it is not listed. */
export type StringIndex = (...parts: readonly string[]) => number | undefined;

/**
 * Indexes a list of strings. A `Map` of a vocabulary takes several times as long to build, and to look up joined parts.
 */
export const stringIndex = (texts: readonly string[]): StringIndex => {
  // A file cannot be made to collide with a seed that it does not know.
  const seed = Math.trunc(Math.random() * 2 ** 32);
  const size = 2 ** Math.ceil(Math.log2(2 * texts.length + 2));
  /** One more than the index of a text, at the first free place from its hash on; 0 is free. */
  const table = new Int32Array(size);
  const placeOf = (hash: number): number => (hash ^ (hash >>> 15)) & (size - 1);
  // The last of equal texts takes their place; a place for each would make a row of them that every search walks.
  for (let index = texts.length - 1; index >= 0; index--) {
    const text = texts[index]!;
    let place = placeOf(hashed(seed, text));
    while (table[place] !== 0 && texts[table[place]! - 1] !== text) place = (place + 1) & (size - 1);
    if (table[place] === 0) table[place] = index + 1;
  }
  return (...parts) => {
    for (let place = placeOf(parts.reduce(hashed, seed)); table[place] !== 0; place = (place + 1) & (size - 1)) {
      const index = table[place]! - 1;
      if (isJoined(texts[index]!, parts)) return index;
    }
    return undefined;
  };
};

/** FNV-1a of UTF-16 units, after those of an earlier part. */
const hashed = (hash: number, text: string): number => {
  let mixed = hash;
  for (let at = 0; at < text.length; at++) mixed = Math.imul(mixed ^ text.charCodeAt(at), 0x01000193);
  return mixed;
};

const isJoined = (text: string, parts: readonly string[]): boolean => {
  let at = 0;
  for (const part of parts) {
    if (!text.startsWith(part, at)) return false;
    at += part.length;
  }
  return at === text.length;
};
