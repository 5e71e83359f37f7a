/** IP addresses as bytes (4 or 16) and text: dotted decimal, RFC 4291 §2.2 in, RFC 5952 out. */

export function parseIpv4(text: string): Uint8Array | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((o) => /^(?:0|[1-9]\d{0,2})$/.test(o) && Number(o) <= 255)) return undefined;
  return Uint8Array.from(octets, Number);
}

export function parseIpv6(text: string): Uint8Array | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const v4 = parseIpv4(dotted[2] as string);
    if (!v4) return undefined;
    const [a, b, c, d] = v4 as unknown as [number, number, number, number];
    return parseIpv6(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const head = groups(halves[0] as string);
  const tail = halves.length === 2 ? groups(halves[1] as string) : [];
  const gap = 8 - head.length - tail.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  const all = [...head, ...Array<string>(Math.max(gap, 0)).fill("0"), ...tail];
  if (!all.every((g) => /^[0-9a-fA-F]{1,4}$/.test(g))) return undefined;
  const out = new Uint8Array(16);
  const view = new DataView(out.buffer);
  for (const [i, g] of all.entries()) view.setUint16(2 * i, Number.parseInt(g, 16));
  return out;
}

/** 4 or 16 bytes, or undefined. A scope (`%eth0`) is not part of the address. */
export const parseIp = (text: string): Uint8Array | undefined =>
  text.includes(":") ? parseIpv6(text) : parseIpv4(text);

export function formatIp(address: Uint8Array): string {
  return address.length === 4 ? address.join(".") : formatIpv6(address);
}

function formatIpv6(address: Uint8Array): string {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i));
  const [start, length] = longestZeroRun(groups);
  const text = (part: number[]): string => part.map((g) => g.toString(16)).join(":");
  if (length < 2) return text(groups); // RFC 5952 §4.2.2: a single group is not shortened
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start > best[1]) best = [start, end - start];
  }
  return best;
}
