import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { Tensor } from "onnxruntime-common";
import type { Decoder } from "../decoder.ts";
import type { SegmentModel } from "../segments/segment-files.ts";
import type { CreateSession, Session } from "../session.ts";
import { cotangentName, gradientName } from "./differentiate.ts";
import { graphParts } from "./graph-parts.ts";
import { addRows, type SampleRows, zeroRows } from "./sample-rows.ts";
import { openVjp } from "./vjp-model.ts";

/**
 * Most numbers of cotangents of logits, of all samples together, in memory at once. A quarter would save 50 MB and take 70% longer for
 * a vocabulary of 150,000: each step reads all weights.
 */
const MOST_NUMBERS = 2 ** 24;

/** Rows that go through the head at once. */
const rowsAtOnce = (samples: number, tokens: number, vocabulary: number): number =>
  Math.min(tokens, Math.max(1, Math.floor(MOST_NUMBERS / (samples * vocabulary))));

/** Numbers of cotangents of logits in memory at once. */
export const numbersAtOnce = (samples: number, tokens: number, vocabulary: number): number =>
  samples * rowsAtOnce(samples, tokens, vocabulary) * vocabulary;

/** Some rows of logits, whose cotangents are wanted. */
export interface LogitRows {
  /** Index of the text. */
  readonly text: number;
  /** Position of the first row in its text. */
  readonly first: number;
  /** `[rows, vocabularySize]` */
  readonly logits: Float32Array;
  /** `[samples, rows, vocabularySize]`, zeros. Both arrays are used again for the next rows. */
  readonly cotangent: Float32Array;
}

/** Writes the cotangents of some rows of logits: the derivatives of scalar functions of all logits. */
export type LogitCotangent = (rows: LogitRows) => void;

/** The vector-Jacobian product of the head. */
export interface HeadVjp {
  /** Gradients of the last residuals of a text, `[tokens, hiddenSize]`. */
  run(text: number, residual: Float32Array, samples: number, cotangent: LogitCotangent): Promise<SampleRows>;
  /** Releases the compiled graphs. */
  dispose(): Promise<void>;
}

/** Compiles it from the pieces of the head. */
export const createHeadVjp = async (decoder: Decoder, createSession: CreateSession): Promise<HeadVjp> => {
  const { segments, vocabularySize, config } = decoder;
  const pieces: Piece[] = [];
  for (let index = 0; index < segments.headPieces; index++) {
    const model = await segments.head(index);
    const session = await openVjp(model, createSession, { inputs: ["hidden"] });
    pieces.push({ session, columns: segments.headPieces === 1 ? vocabularySize : logitsOf(model) });
  }
  const width = config.hiddenSize;
  return {
    run: async (text, residual, samples, writeCotangent) => {
      const tokens = residual.length / width;
      const result = zeroRows(samples, tokens, width);
      const step = rowsAtOnce(samples, tokens, vocabularySize);
      // Used again for every step: new ones would be garbage of gigabytes.
      const logitRows = new Float32Array(step * vocabularySize);
      const cotangentRows = new Float32Array(samples * step * vocabularySize);
      for (let first = 0; first < tokens; first += step) {
        const rows = Math.min(step, tokens - first);
        const hidden = new Tensor("float32", residual.subarray(first * width, (first + rows) * width), [rows, width]);
        const logits = logitRows.subarray(0, rows * vocabularySize);
        await decoder.head(hidden, logits);
        const cotangent = cotangentRows.subarray(0, samples * rows * vocabularySize).fill(0);
        writeCotangent({ text, first, logits, cotangent });
        let column = 0;
        for (const { session, columns } of pieces) {
          const part = columnsOf(cotangent, vocabularySize, column, columns);
          const tensor = new Tensor("float32", part, [samples, rows, columns]);
          addRows(result, first, await pieceGradient(session, hidden, tensor));
          column += columns;
        }
      }
      return result;
    },
    dispose: async () => void (await Promise.all(pieces.map(async ({ session }) => session.release()))),
  };
};

/** Neighbouring columns of the logits. */
interface Piece {
  readonly session: Session;
  readonly columns: number;
}

const logitsOf = ({ bytes }: SegmentModel): number =>
  Number(graphParts(fromBinary(ModelProtoSchema, bytes).graph!).outputs[0]!.dims.at(-1));

const pieceGradient = async (session: Session, hidden: Tensor, cotangent: Tensor): Promise<Float32Array> => {
  // The norm before the matrix is the only reader of the residuals.
  const outputs = await session.run({ hidden, [cotangentName("logits")]: cotangent });
  return outputs[gradientName("hidden")]!.data as Float32Array;
};

/** Some columns of rows of the vocabulary's size; the same array for all of them. */
const columnsOf = (rows: Float32Array, vocabulary: number, column: number, width: number): Float32Array => {
  if (width === vocabulary) return rows;
  const count = rows.length / vocabulary;
  const columns = new Float32Array(count * width);
  for (let row = 0; row < count; row++)
    columns.set(rows.subarray(row * vocabulary + column, row * vocabulary + column + width), row * width);
  return columns;
};
