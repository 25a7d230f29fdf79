/** A minus counts unless it follows a word, a digit or a bracket, where it subtracts. Commas separate thousands. */
const NUMBER = /(?:(?<![\w)])[-\u2212])?\$?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)/gu;

/**
 * The last number in a text, in normal form: `$1,234.50` is `1234.5`, `-0` is `0`. Undefined if there is none. Compares decimal
 * digits, so numbers of any length are exact.
 */
export const lastNumber = (text: string): string | undefined => {
  const last = text.match(NUMBER)?.at(-1);
  return last === undefined ? undefined : canonical(last);
};

const canonical = (number: string): string => {
  const [whole = "", fraction = ""] = number.replace(/[^\d.]/g, "").split(".");
  const digits = whole.replace(/^0+/, "") || "0";
  const decimals = fraction.replace(/0+$/, "");
  const size = decimals === "" ? digits : `${digits}.${decimals}`;
  return /^[-\u2212]/u.test(number) && size !== "0" ? `-${size}` : size;
};
