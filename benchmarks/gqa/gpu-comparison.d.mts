/** What of the comparison's rows is told in the table. */
export interface ComparedRow {
  readonly name: string;
  readonly bytes: number;
  readonly totalMs: number;
  readonly error: number;
}

export declare const compareOnGpu: (
  words: readonly string[],
  print: (text: string) => void,
) => Promise<
  | {
      readonly timed: readonly ComparedRow[];
      readonly refused: readonly { readonly name: string; readonly reason: string }[];
    }
  | undefined
>;
