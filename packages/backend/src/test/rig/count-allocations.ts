/**
 * Runs an action and counts the bytes of array buffers that JavaScript allocates meanwhile: by constructors of array buffers
 * and typed arrays, and by methods that return new ones. Does not count views, or what WebAssembly or a GPU allocates.
 * Nothing else may run meanwhile.
 */
export const countAllocations = async (action: () => Promise<void>): Promise<number> => {
  let sizeBytes = 0;
  const count = (made: object): object => {
    sizeBytes += (made as Sized).byteLength;
    return made;
  };
  const undo = [
    ...CONSTRUCTORS.map((name) => countConstructor(name, count)),
    ...METHODS.map((name) => countMethod(typedArray, name, count)),
    countMethod(ArrayBuffer.prototype, "slice", count),
  ];
  try {
    await action();
    return sizeBytes;
  } finally {
    for (const restore of undo) restore();
  }
};

interface Sized {
  readonly byteLength: number;
}

const CONSTRUCTORS = [
  "ArrayBuffer",
  "SharedArrayBuffer",
  "Uint8Array",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
] as const;

const METHODS = ["slice", "map", "filter", "with", "toSorted", "toReversed"] as const;

type Method = (...args: unknown[]) => object;

const typedArray = Object.getPrototypeOf(Float32Array.prototype) as object;

const countConstructor = (name: string, count: (made: object) => object): (() => void) => {
  const scope = globalThis as unknown as Record<string, new (...args: unknown[]) => object>;
  const original = scope[name];
  if (!original) return () => {};
  scope[name] = new Proxy(original, {
    construct: (target, args, newTarget) => {
      const made = Reflect.construct(target, args, newTarget) as object;
      return isView(args) ? made : count(made);
    },
  });
  return () => {
    scope[name] = original;
  };
};

const isView = ([first]: readonly unknown[]): boolean =>
  Object.prototype.toString.call(first) === "[object ArrayBuffer]" ||
  Object.prototype.toString.call(first) === "[object SharedArrayBuffer]";

const countMethod = (holder: object, name: string, count: (made: object) => object): (() => void) => {
  const methods = holder as Record<string, Method>;
  const original = methods[name];
  if (!original) return () => {};
  methods[name] = function counted(this: unknown, ...args: unknown[]): object {
    return count(original.apply(this, args));
  };
  return () => {
    methods[name] = original;
  };
};
