/** What libraries throw for malformed input becomes `undefined`: a peer could have sent it. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

export async function attemptAsync<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}

/**
 * Remembers what a byte string was turned into while the caller keeps that very array: static keys are expanded or
 * imported once. A checksum tells when the array was wiped or written anew.
 */
export function once<V>(make: (bytes: Uint8Array) => V): (bytes: Uint8Array) => V {
  const seen = new WeakMap<Uint8Array, { readonly mark: number; readonly value: V }>();
  return (bytes) => {
    const mark = markOf(bytes);
    const known = seen.get(bytes);
    if (known && known.mark === mark) return known.value;
    const value = make(bytes);
    seen.set(bytes, { mark, value });
    return value;
  };
}

const markOf = (bytes: Uint8Array): number => bytes.reduce((sum, b) => (Math.imul(sum, 31) + b) | 0, bytes.length);
