/** Base45 (RFC 9285): bytes as QR alphanumeric characters, three for two bytes. */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

export function encodeBase45(data: Uint8Array): string {
  let out = "";
  for (let i = 0; i < data.length; i += 2) {
    const pair = i + 1 < data.length;
    let n = pair ? ((data[i] as number) << 8) | (data[i + 1] as number) : (data[i] as number);
    for (let k = 0; k < (pair ? 3 : 2); k++) {
      out += ALPHABET[n % 45];
      n = Math.floor(n / 45);
    }
  }
  return out;
}

/** Undefined for a character outside the alphabet, an impossible length or a group beyond its range. */
export function decodeBase45(text: string): Uint8Array | undefined {
  if (text.length % 3 === 1) return undefined;
  const out: number[] = [];
  for (let i = 0; i < text.length; i += 3) {
    const digits = [...text.slice(i, i + 3)].map((c) => ALPHABET.indexOf(c));
    if (digits.some((d) => d < 0)) return undefined;
    const n = digits.reduceRight((sum, d) => sum * 45 + d, 0);
    if (n > (digits.length === 3 ? 0xffff : 0xff)) return undefined;
    if (digits.length === 3) out.push(n >> 8);
    out.push(n & 0xff);
  }
  return Uint8Array.from(out);
}
