/** Text of tokens, each of which is a text or some bytes. Consecutive bytes are UTF-8; what is not becomes U+FFFD. */
export const joinTokens = (ids: ArrayLike<number>, contentOf: (id: number) => string | readonly number[]): string => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  let pending: number[] = [];
  const flush = (): void => {
    if (pending.length > 0) text += decoder.decode(Uint8Array.from(pending));
    pending = [];
  };
  for (let index = 0; index < ids.length; index++) {
    const content = contentOf(ids[index]!);
    if (typeof content !== "string") {
      for (const byte of content) pending.push(byte);
      continue;
    }
    flush();
    text += content;
  }
  flush();
  return text;
};
