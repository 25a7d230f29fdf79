import { numberFromFloat16 } from "@kvtuner/quantizers";
import { type TensorProto, TensorProto_DataType as DataType } from "onnx-buf";

const [FLOAT, FLOAT16]: readonly number[] = [DataType.FLOAT, DataType.FLOAT16];

/** The numbers of a constant inside a model, in float32 or float16; undefined for other types, and for one in a file. */
export const inlineNumbers = ({
  dataType,
  rawData,
  floatData,
  externalData,
}: TensorProto): readonly number[] | undefined => {
  if (externalData.length > 0) return undefined;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const numbers = (size: number, at: (offset: number) => number): number[] =>
    Array.from({ length: rawData.length / size }, (_, index) => at(size * index));
  if (dataType === FLOAT) return rawData.length > 0 ? numbers(4, (offset) => view.getFloat32(offset, true)) : floatData;
  if (dataType === FLOAT16 && rawData.length > 0)
    return numbers(2, (offset) => numberFromFloat16(view.getUint16(offset, true)));
  return undefined;
};
