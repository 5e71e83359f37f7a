/** Which worker the programs of `bpf/steering.bpf.c` choose, run once on each packet by `bpftool` (BPF_PROG_TEST_RUN). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { concat } from "../../runtime/base/bytes.ts";
import { ip, tcp, udp } from "../help/overlay-packet.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const FILE = "test/bpf/steering.test.ts";
const OBJECT = join(import.meta.dir, "../../build/bpf/steering.bpf.o");
const UDP = 17;
const TCP = 6;
const SPARSE = 45 << 2; // DSCP 45 in the byte that IPv4 calls type of service and IPv6 traffic class
const QUEUES = 3;

const V4 = { from: "192.0.2.1", to: "192.0.2.2" };
const V6 = { from: "2001:db8::1", to: "2001:db8::2" };

const here = able(FILE, "root", "addon", "command:bpftool", "command:mount");

/** The packet with this type of service or traffic class. */
function marked(packet: Uint8Array, tos: number): Uint8Array {
  const out = packet.slice();
  if ((out[0] as number) >> 4 === 4) out[1] = tos;
  else [out[0], out[1]] = [0x60 | (tos >> 4), (tos & 15) << 4];
  return out;
}

describe.skipIf(!here)("steering", () => {
  let folder: string;
  let pins: string;
  const map = (name: string, ...words: string[]): string[] => [
    ...["bpftool", "--json", "map", words[0] as string, "pinned", join(pins, "maps", name)],
    ...words.slice(1),
  ];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "trellis-steering-"));
    pins = join(folder, "bpf");
    mkdirSync(pins);
    await must(["mount", "-t", "bpf", "bpf", pins]);
    await must(["bpftool", "prog", "loadall", OBJECT, join(pins, "programs"), "pinmaps", join(pins, "maps")]);
  });
  afterAll(async () => {
    await run(["umount", pins]);
    rmSync(folder, { recursive: true });
  });

  const queues = (count: number): Promise<string> =>
    must(map("steering_queues", "update", "key", "0", "0", "0", "0", "value", `${count}`, "0", "0", "0"));

  /** CPUs that the programs name, by direction; undefined before they name any. */
  async function named(): Promise<{ leaving: number | undefined; arriving: number | undefined }> {
    const rows = JSON.parse(await must(map("steering_cpus", "dump"))) as { value: string[] }[];
    const [leaving, arriving] = rows.map(({ value }) => {
      const word = value.reduceRight((sum, byte) => sum * 256 + Number(byte), 0);
      return word === 0 ? undefined : word - 1;
    });
    return { leaving, arriving };
  }

  /** The worker for the last of so many such packets in a row. */
  async function chosen(program: "leaving" | "arriving", packet: Uint8Array, times = 1): Promise<number> {
    const type = (packet[0] as number) >> 4 === 4 ? [0x08, 0x00] : [0x86, 0xdd];
    const file = join(folder, "packet");
    writeFileSync(file, concat(new Uint8Array(12), Uint8Array.from(type), packet));
    const pinned = ["pinned", join(pins, "programs", program), "data_in", file, "repeat", `${times}`];
    return (JSON.parse(await must(["bpftool", "--json", "prog", "run", ...pinned])) as { retval: number }).retval;
  }

  beforeEach(async () => {
    await queues(QUEUES);
    for (const key of ["0", "1"])
      await must(map("steering_cpus", "update", "key", key, "0", "0", "0", "value", ..."00000000"));
  });

  test("before the workers are there, everything goes to the first", async () => {
    await queues(0);
    expect(await chosen("leaving", ip(V4, UDP, udp(1, 2, 64)))).toBe(0);
    expect(await chosen("arriving", marked(ip(V4, UDP, udp(1, 2, 64)), SPARSE))).toBe(0);
    expect(await named()).toEqual({ leaving: undefined, arriving: undefined });
  });

  test.each([V4, V6])("marked datagrams go to the worker of sparse flows, which learns the CPU: %j", async (ends) => {
    const datagram = ip(ends, UDP, udp(4000, 51820, 64));
    for (const ecn of [0, 1, 2, 3]) expect(await chosen("arriving", marked(datagram, SPARSE | ecn))).toBe(QUEUES);
    const { leaving, arriving } = await named();
    expect(leaving).toBeUndefined();
    expect(arriving).toBeWithin(0, cpus().length);
  });

  test.each([V4, V6])("others go by who sent them, always to one and all to each of the rest: %j", async (ends) => {
    const used = new Set<number>();
    for (const port of Array.from({ length: 32 }, (_, i) => 4000 + i)) {
      for (const tos of [0, SPARSE - 4, SPARSE + 4]) {
        const queue = await chosen("arriving", marked(ip(ends, UDP, udp(port, 51820, 64)), tos));
        expect(queue).toBe(await chosen("arriving", ip(ends, UDP, udp(port, 51820, 1200))));
        used.add(queue);
      }
    }
    expect([...used].sort()).toEqual([0, 1, 2]);
    expect((await named()).arriving).toBeUndefined();
  });

  test("a header that ends early is nobody's sparse flow", async () => {
    for (const ends of [V4, V6]) {
      const whole = marked(ip(ends, UDP, udp(4000, 51820)), SPARSE);
      const header = whole.subarray(0, whole.length - 8);
      expect(await chosen("arriving", header)).toBeLessThan(QUEUES);
    }
  });

  test.each([V4, V6])("a flow is sparse until it sends much: %j", async (ends) => {
    const segment = ip(ends, TCP, tcp(5000, 443, 16, 1380));
    expect(await chosen("leaving", segment, 20)).toBe(QUEUES);
    expect((await named()).leaving).toBeWithin(0, cpus().length);
    expect(await chosen("leaving", segment, 40)).toBeLessThan(QUEUES);
    expect(await chosen("leaving", ip(ends, TCP, tcp(5001, 443, 16, 100)))).toBe(QUEUES); // another flow of the same two
  });
});
