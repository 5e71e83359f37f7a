/** Cyclic redundancy checks of 32 bits, reflected, eight bytes at a time (slicing-by-8, Kounavis and Berry, 2005). */

const SLICES = 8;

function tables(polynomial: number): readonly Uint32Array[] {
  const out = Array.from({ length: SLICES }, () => new Uint32Array(256));
  const first = out[0] as Uint32Array;
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
    first[n] = c;
  }
  for (let slice = 1; slice < SLICES; slice++)
    for (let n = 0; n < 256; n++) {
      const before = out[slice - 1]?.[n] as number;
      (out[slice] as Uint32Array)[n] = (before >>> 8) ^ (first[before & 0xff] as number);
    }
  return out;
}

/** u32; `before`: what this gave for the bytes that stand in front. */
export type Crc = (data: Uint8Array, before?: number) => number;

function crcOf(polynomial: number): Crc {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables(polynomial) as readonly [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  return (data, before = 0) => {
    let c = ~before;
    let i = 0;
    for (const end = data.length - 7; i < end; i += 8) {
      const a =
        c ^
        ((data[i] as number) |
          ((data[i + 1] as number) << 8) |
          ((data[i + 2] as number) << 16) |
          ((data[i + 3] as number) << 24));
      c =
        (t7[a & 0xff] as number) ^
        (t6[(a >>> 8) & 0xff] as number) ^
        (t5[(a >>> 16) & 0xff] as number) ^
        (t4[a >>> 24] as number) ^
        (t3[data[i + 4] as number] as number) ^
        (t2[data[i + 5] as number] as number) ^
        (t1[data[i + 6] as number] as number) ^
        (t0[data[i + 7] as number] as number);
    }
    for (; i < data.length; i++) c = (t0[(c ^ (data[i] as number)) & 0xff] as number) ^ (c >>> 8);
    return ~c >>> 0;
  };
}

/** ISO-HDLC, as in Ethernet and zip. */
export const crc32: Crc = crcOf(0xedb8_8320);
/** Castagnoli, RFC 3720. */
export const crc32c: Crc = crcOf(0x82f6_3b78);
