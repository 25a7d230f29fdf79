import type { AttributeProto, NodeProto } from "onnx-buf";

/** An integer attribute of a node. */
export const integerOf = (node: NodeProto, name: string, fallback = 0): number => {
  const found = attributeOf(node, name);
  return found ? Number(found.i) : fallback;
};

/** A float attribute of a node. */
export const floatOf = (node: NodeProto, name: string, fallback = 0): number => attributeOf(node, name)?.f ?? fallback;

/** A text attribute of a node. */
export const textOf = (node: NodeProto, name: string, fallback: string): string => {
  const found = attributeOf(node, name);
  return found ? new TextDecoder().decode(found.s) : fallback;
};

/** An attribute of several integers. */
export const integersOf = (node: NodeProto, name: string): number[] => attributeOf(node, name)?.ints.map(Number) ?? [];

const attributeOf = ({ attribute }: NodeProto, name: string): AttributeProto | undefined =>
  attribute.find((one) => one.name === name);
