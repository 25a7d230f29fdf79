/** SHA-256 of some bytes. In a browser it needs a secure context, such as a page over https or on localhost. */
export const checksum = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
