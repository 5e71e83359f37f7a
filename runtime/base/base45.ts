/** Base45 (RFC 9285): two bytes in three characters of the QR code's alphanumeric set. */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

export function encodeBase45(data: Uint8Array): string {
  let out = "";
  for (let i = 0; i + 1 < data.length; i += 2) out += digits(((data[i] as number) << 8) | (data[i + 1] as number), 3);
  return data.length % 2 === 0 ? out : out + digits(data[data.length - 1] as number, 2);
}

/** Least significant digit first (RFC 9285 §4). */
function digits(value: number, count: number): string {
  let out = "";
  for (let rest = value, i = 0; i < count; i++, rest = Math.floor(rest / 45)) out += ALPHABET[rest % 45];
  return out;
}

/** The bytes, or undefined when a character is foreign, the length impossible or a group overflows (RFC 9285 §6). */
export function decodeBase45(text: string): Uint8Array | undefined {
  if (text.length % 3 === 1) return undefined;
  const out: number[] = [];
  for (let i = 0; i < text.length; i += 3) {
    const value = groupValue(text.slice(i, i + 3));
    if (value === undefined) return undefined;
    if (text.length - i >= 3) out.push(value >> 8, value & 255);
    else out.push(value);
  }
  return Uint8Array.from(out);
}

function groupValue(group: string): number | undefined {
  let value = 0;
  for (let i = group.length - 1; i >= 0; i--) {
    const digit = ALPHABET.indexOf(group[i] as string);
    if (digit < 0) return undefined;
    value = value * 45 + digit;
  }
  return value < (group.length === 3 ? 0x1_0000 : 0x100) ? value : undefined;
}

/** Whether every character is one of the 45. */
export const isBase45 = (text: string): boolean => [...text].every((c) => ALPHABET.includes(c));
