import { KvtunerError, type TensorScheme } from "@kvtuner/plan";

/** A plan asks a backend for a scheme it does not have; names the layer, the scheme and the nearest supported one. */
export class UnsupportedSchemeError extends KvtunerError {
  readonly layer: number;
  readonly scheme: TensorScheme;

  constructor(request: {
    readonly backend: string;
    readonly layer: number;
    readonly tensor: "key" | "value";
    readonly scheme: TensorScheme;
    readonly nearest?: TensorScheme;
  }) {
    const { backend, layer, tensor, scheme, nearest } = request;
    const advice = nearest ? `nearest supported: ${describe(nearest)}` : "no scheme of that kind is supported";
    super(
      "BACKEND_UNSUPPORTED_SCHEME",
      `backend ${backend} cannot store the ${tensor}s of layer ${layer} as ${describe(scheme)}; ${advice}`,
    );
    this.name = "UnsupportedSchemeError";
    this.layer = layer;
    this.scheme = scheme;
  }
}

const describe = ({ bits, format, axis, groupSize, blockSize, transform }: TensorScheme): string =>
  `${bits}-bit ${format}, axis ${axis}, group ${groupSize}, block ${blockSize}, transform ${transform}`;
