import { Environment, Interpreter, Template } from "@huggingface/jinja";

/** Limits of a template's run. */
export interface TemplateLimits {
  /** Each expression is a step, an entry of a list a quarter, and 64 characters of text one. */
  readonly steps: number;
  /** Characters of a text, or of everything in a list or object. */
  readonly size: number;
  readonly timeMs: number;
}

interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** The library's declaration of this class does not resolve in ES modules. */
const JinjaInterpreter = Interpreter as new (environment: Environment) => {
  run(program: unknown): Value;
  evaluate(statement: unknown, environment: unknown): Value;
};

/** The interpreter creates an object for each entry of a list in a loop. */
const MAX_LIST_LENGTH = 2 ** 16;
/** Limits numbers, because they also serve as widths of indentation. */
const MAX_NUMBER = 2 ** 24;
const STEPS_PER_ENTRY = 4;
const CHARACTERS_PER_STEP = 64;
/** Far below the stack's limit, where the library would take variables for undefined. */
const MAX_DEPTH = 500;
const STEPS_BETWEEN_CLOCKS = 1024;

/**
 * Runs a parsed template within limits on its steps, its time and the size of its values. A template from a model file
 * can then neither hang the process nor fill its memory.
 *
 * @throws TemplateLimitError when the template exceeds a limit; any error of the template
 */
export const renderWithin = (
  { parsed }: Template,
  variables: Readonly<Record<string, unknown>>,
  limits: TemplateLimits,
): string => {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...GLOBALS, ...variables })) environment.set(name, value);
  return String(new BoundedInterpreter(environment, limits).run(parsed).value);
};

/** Counts steps in `evaluate`, which every expression and statement passes through. */
class BoundedInterpreter extends JinjaInterpreter {
  readonly #limits: TemplateLimits;
  readonly #deadlineMs: number;
  /** Sizes of lists and objects, which never change. */
  readonly #sizes = new WeakMap<Value, number>();
  #steps = 0;
  #depth = 0;
  #clockAt = STEPS_BETWEEN_CLOCKS;

  constructor(environment: Environment, limits: TemplateLimits) {
    super(environment);
    this.#limits = limits;
    this.#deadlineMs = performance.now() + limits.timeMs;
  }

  override evaluate(statement: unknown, environment: unknown): Value {
    this.#count(1);
    const value = this.#deeper(() => super.evaluate(statement, environment));
    if (typeof value.value === "number" && Math.abs(value.value) > MAX_NUMBER)
      throw new TemplateLimitError(`a number beyond ${MAX_NUMBER}`);
    if (this.#sizeOf(value) > this.#limits.size)
      throw new TemplateLimitError(`a value of more than ${this.#limits.size} characters`);
    return value;
  }

  #deeper(evaluate: () => Value): Value {
    if (this.#depth >= MAX_DEPTH) throw new TemplateLimitError(`more than ${MAX_DEPTH} levels`);
    this.#depth++;
    try {
      return evaluate();
    } finally {
      this.#depth--;
    }
  }

  #count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > this.#limits.steps) throw new TemplateLimitError(`more than ${this.#limits.steps} steps`);
    if (this.#steps < this.#clockAt) return;
    this.#clockAt = this.#steps + STEPS_BETWEEN_CLOCKS;
    if (performance.now() > this.#deadlineMs) throw new TemplateLimitError(`more than ${this.#limits.timeMs} ms`);
  }

  /** A list may hold another twice, which holds a third twice, and so on: a few values can expand to endless text. */
  #sizeOf(value: Value): number {
    if (typeof value.value === "string") {
      this.#count(Math.floor(value.value.length / CHARACTERS_PER_STEP));
      return value.value.length;
    }
    const parts = partsOf(value);
    if (parts === undefined) return 1;
    if (Array.isArray(parts)) {
      assertListLength(parts.length);
      this.#count(STEPS_PER_ENTRY * parts.length);
    }
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const size = this.#sumOf(parts);
    // A namespace can change later.
    if (value.type !== "NamespaceValue") this.#sizes.set(value, size);
    return size;
  }

  #sumOf(parts: Iterable<Value>): number {
    let size = 1;
    for (const part of parts) {
      if (part.type === "NamespaceValue") throw new TemplateLimitError("a namespace within another value");
      this.#count(1);
      size += this.#sizeOf(part);
    }
    return size;
  }
}

/** Elements of a list, an object or a namespace. */
const partsOf = ({ value }: Value): readonly Value[] | Iterable<Value> | undefined => {
  if (Array.isArray(value)) return value;
  return value instanceof Map ? value.values() : undefined;
};

const assertListLength = (length: number): void => {
  if (length > MAX_LIST_LENGTH) throw new TemplateLimitError(`a list of more than ${MAX_LIST_LENGTH} entries`);
};

/** Python's range. The library's own would fill the memory before it can be counted. */
const range = (...given: [number, number?, number?]): number[] => {
  const [start, stop, step = 1] = given.length === 1 ? [0, given[0]] : given;
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil(((stop ?? 0) - start) / step)) || 0;
  assertListLength(length);
  return Array.from({ length }, (_, index) => start + index * step);
};

const CLOCK = "{{ strftime_now(format) }}";

const GLOBALS: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  range,
  raise_exception: (message: unknown): never => {
    throw new Error(String(message));
  },
  strftime_now: (format: string): string => new Template(CLOCK).render({ format }),
};

/** A template exceeded a limit. */
export class TemplateLimitError extends Error {
  override readonly name = "TemplateLimitError";

  constructor(what: string) {
    super(`it takes ${what}`);
  }
}
