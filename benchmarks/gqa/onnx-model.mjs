/**
 * A minimal ONNX writer: one graph, whose inputs and outputs have names, types and sizes. Encodes protocol buffers by hand, so
 * that the benchmark needs no library.
 */
export const ELEMENT = { float32: 1, uint8: 2, int8: 3, int32: 6, float16: 10 };

const IR_VERSION = 10;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_STRING = 3;

const varint = (value) => {
  const bytes = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 127n) | 128);
  }
};

const number = (field, value) => [...varint(field * 8), ...varint(value)];

const bytes = (field, value) => {
  const content = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...varint(field * 8 + 2), ...varint(content.length), ...content];
};

const attribute = ([name, value]) =>
  typeof value === "number"
    ? [...bytes(1, name), ...number(3, value), ...number(20, ATTRIBUTE_INT)]
    : [...bytes(1, name), ...bytes(4, value), ...number(20, ATTRIBUTE_STRING)];

const node = ({ type, domain, inputs, outputs, attributes }) => [
  ...inputs.flatMap((name) => bytes(1, name)),
  ...outputs.flatMap((name) => bytes(2, name)),
  ...bytes(4, type),
  ...Object.entries(attributes).flatMap((entry) => bytes(5, attribute(entry))),
  ...bytes(7, domain),
];

const valueInfo = ({ name, type, dims }) => {
  const shape = dims.flatMap((dim) => bytes(1, number(1, dim)));
  return [...bytes(1, name), ...bytes(2, bytes(1, [...number(1, ELEMENT[type]), ...bytes(2, shape)]))];
};

const operatorSet = ({ domain, version }) => [...bytes(1, domain), ...number(2, version)];

/** Bytes of a model. */
export const onnxModel = ({ nodes, inputs, outputs }) =>
  Uint8Array.from([
    ...number(1, IR_VERSION),
    ...bytes(7, [
      ...nodes.flatMap((each) => bytes(1, node(each))),
      ...bytes(2, "attention"),
      ...inputs.flatMap((each) => bytes(11, valueInfo(each))),
      ...outputs.flatMap((each) => bytes(12, valueInfo(each))),
    ]),
    ...[
      { domain: "", version: 21 },
      { domain: "com.microsoft", version: 1 },
    ].flatMap((each) => bytes(8, operatorSet(each))),
  ]);
