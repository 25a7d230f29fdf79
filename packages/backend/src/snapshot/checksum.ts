/** SHA-256 of some bytes. In a browser it needs a secure context, as pages over https and on localhost are. */
export const checksum = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
