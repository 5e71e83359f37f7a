/** The ingress filter in the kernel (BPF_PROG_TEST_RUN) against a table, and against a model written from the layouts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import fc from "fast-check";
import { concat } from "../../runtime/base/bytes.ts";
import { messageOf } from "../../runtime/base/errors.ts";
import { type Addon, type IngressFilter, ingressObject, loadAddon } from "../../runtime/dataplane/addon.io.ts";
import { INGRESS_VERDICTS, type IngressVerdict } from "../../runtime/dataplane/ingress.ts";
import { countersOf, openNative } from "../../runtime/dataplane/native.io.ts";
import {
  FRAME,
  FragmentHeader,
  HelloFrame,
  MAX_DATAGRAM,
  RelayHeader,
  SealedHeader,
  WIRE_VERSION,
} from "../../runtime/mesh/frame.ts";
import { Acknowledge, CookieReply } from "../../runtime/mesh/handshake/message.ts";

/** The loaded filter, or why it cannot be loaded here. */
function load(): { addon: Addon; object: Uint8Array; filter: IngressFilter } | string {
  const { addon, reason } = loadAddon();
  const object = ingressObject();
  if (!addon) return reason ?? "no addon";
  if (!object) return "the BPF object is not built (clang)";
  const refusal = addon.probe().bpf;
  if (refusal !== "") return `no privilege to load BPF (${refusal})`;
  if (addon.probe().libbpf === "") return "libbpf.so.1 is not installed";
  return { addon, object, filter: addon.loadIngressFilter(object) }; // a verifier that says no is a failure, no skip
}

const loaded = load();
if (typeof loaded === "string") console.log(`SKIP test/bpf/ingress.test.ts: ${loaded}`);

const TAG = 16;

/** What the filter must do with a datagram, from the layouts of frame.ts and message.ts alone. */
function model(datagram: Uint8Array): IngressVerdict {
  const type = datagram[0];
  if (type === undefined) return "short";
  if (type === FRAME.data || type === FRAME.control) {
    return datagram.length < SealedHeader.size + TAG ? "short" : "pass";
  }
  if (type === FRAME.handshake) return fragmentVerdict(datagram);
  if (type === FRAME.acknowledge) return exactVerdict(datagram, Acknowledge);
  if (type === FRAME.relay) {
    if (datagram.length <= RelayHeader.size) return "short";
    return RelayHeader.decode(datagram) ? "pass" : "reserved";
  }
  if (type === FRAME.hello)
    return datagram.length < HelloFrame.size ? "short" : datagram.length > HelloFrame.size ? "oversize" : "pass";
  return type === FRAME.cookie ? exactVerdict(datagram, CookieReply) : "type";
}

function fragmentVerdict(datagram: Uint8Array): IngressVerdict {
  if (datagram.length < FragmentHeader.size) return "short";
  if (datagram.length > MAX_DATAGRAM) return "oversize";
  if (datagram[FragmentHeader.offsets.version] !== WIRE_VERSION) return "version";
  const header = FragmentHeader.decode(datagram);
  if (!header) return "reserved";
  return header.count > 32 || header.index >= header.count ? "fragment" : "pass";
}

/** A frame that has one length only. */
function exactVerdict(datagram: Uint8Array, layout: typeof Acknowledge | typeof CookieReply): IngressVerdict {
  if (datagram.length < layout.size) return "short";
  if (datagram.length > layout.size) return "oversize";
  if (datagram[layout.offsets.version] !== WIRE_VERSION) return "version";
  return layout.decode(datagram) ? "pass" : "reserved";
}

const fragment = (change: Partial<{ version: number; index: number; count: number }> = {}): Uint8Array =>
  FragmentHeader.encode({
    type: FRAME.handshake,
    version: WIRE_VERSION,
    message: 1,
    index: 0,
    count: 2,
    instance: 7,
    exchange: new Uint8Array(8).fill(1),
    cookie: new Uint8Array(8),
    mac: new Uint8Array(8).fill(2),
    ...change,
  });

const padded = (head: Uint8Array, size: number): Uint8Array => concat(head, new Uint8Array(size - head.length));
const sealed = (type: number, size: number): Uint8Array => padded(Uint8Array.of(type), size);
const withByte = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const out = Uint8Array.from(bytes);
  out[at] = value;
  return out;
};
const reply = (type: number, size: number, version: number = WIRE_VERSION): Uint8Array =>
  padded(Uint8Array.of(type, version), size);

const CASES: readonly (readonly [string, Uint8Array, IngressVerdict])[] = [
  ["an empty datagram", new Uint8Array(0), "short"],
  ["one byte of a handshake", Uint8Array.of(FRAME.handshake), "short"],
  ["a fragment header cut by one byte", fragment().subarray(0, FragmentHeader.size - 1), "short"],
  ["a fragment without payload", fragment(), "pass"],
  ["a fragment as long as one may be", padded(fragment(), MAX_DATAGRAM), "pass"],
  ["a fragment one byte longer", padded(fragment(), MAX_DATAGRAM + 1), "oversize"],
  ["a fragment of the next wire version", fragment({ version: WIRE_VERSION + 1 }), "version"],
  ["a fragment with a reserved byte set", withByte(fragment(), FragmentHeader.offsets.reserved, 1), "reserved"],
  ["the last of 32 fragments", fragment({ index: 31, count: 32 }), "pass"],
  ["one of 33 fragments", fragment({ index: 0, count: 33 }), "fragment"],
  ["a fragment beyond its count", fragment({ index: 2, count: 2 }), "fragment"],
  ["a fragment of none", fragment({ index: 0, count: 0 }), "fragment"],
  ["an acknowledgement", reply(FRAME.acknowledge, 32), "pass"],
  ["an acknowledgement of another version", reply(FRAME.acknowledge, 32, 9), "version"],
  ["an acknowledgement that lacks a byte", reply(FRAME.acknowledge, 31), "short"],
  ["an acknowledgement with a byte too many", reply(FRAME.acknowledge, 33), "oversize"],
  ["an acknowledgement with a reserved byte set", withByte(reply(FRAME.acknowledge, 32), 5, 1), "reserved"],
  ["an acknowledgement with its padding in use", withByte(reply(FRAME.acknowledge, 32), 23, 128), "reserved"],
  ["a cookie", reply(FRAME.cookie, 32), "pass"],
  ["a cookie that lacks a byte", reply(FRAME.cookie, 31), "short"],
  ["a cookie with a byte too many", reply(FRAME.cookie, 33), "oversize"],
  ["a cookie with a reserved byte set", withByte(reply(FRAME.cookie, 32), 7, 1), "reserved"],
  ["a sealed frame with an empty body", sealed(FRAME.data, SealedHeader.size + TAG), "pass"],
  ["a sealed frame without room for its tag", sealed(FRAME.data, SealedHeader.size + TAG - 1), "short"],
  ["a sealed frame far longer than a control frame", sealed(FRAME.data, 3000), "pass"],
  ["a control frame", sealed(FRAME.control, 60), "pass"],
  ["a control frame cut short", sealed(FRAME.control, 20), "short"],
  ["type 0", sealed(0, 100), "type"],
  ["a relayed frame", sealed(FRAME.relay, 100), "pass"],
  ["a relay header with nothing behind it", sealed(FRAME.relay, RelayHeader.size), "short"],
  ["a relayed frame with a reserved byte set", withByte(sealed(FRAME.relay, 100), 3, 1), "reserved"],
  ["a hello", sealed(FRAME.hello, HelloFrame.size), "pass"],
  ["a hello cut short", sealed(FRAME.hello, HelloFrame.size - 1), "short"],
  ["a hello and more", sealed(FRAME.hello, HelloFrame.size + 1), "oversize"],
  ["type 8, which means nothing yet", sealed(8, 100), "type"],
  ["a DNS answer", Uint8Array.of(0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0), "type"],
];

describe.skipIf(typeof loaded === "string")("the ingress filter", () => {
  const { addon, object, filter } = loaded as Exclude<typeof loaded, string>;
  afterAll(() => filter.close());

  function verdictOf(datagram: Uint8Array, segment = 0): IngressVerdict {
    const count = segment === 0 ? 1 : Math.ceil(datagram.length / segment);
    const before = countersOf(filter);
    const passed = filter.run(datagram, segment, "192.0.2.1", 4000);
    const after = countersOf(filter);
    const grown = INGRESS_VERDICTS.filter((v) => after[v] !== before[v]);
    expect(grown.map((v) => after[v] - before[v])).toEqual([count]); // each datagram counts once, under one reason
    expect(passed).toBe(grown[0] === "pass");
    return grown[0] ?? "pass";
  }

  test.each(CASES)("counts %s as it should", (_, datagram, want) => {
    expect(verdictOf(datagram)).toBe(want);
    expect(model(datagram)).toBe(want);
  });

  test("takes the size of one datagram when GRO has merged several", () => {
    const pair = concat(padded(fragment(), MAX_DATAGRAM), padded(fragment(), MAX_DATAGRAM));
    expect(verdictOf(pair, MAX_DATAGRAM)).toBe("pass");
    const long = padded(fragment(), MAX_DATAGRAM + 1);
    expect(verdictOf(concat(long, long), MAX_DATAGRAM + 1)).toBe("oversize");
  });

  test("agrees with the model on any bytes", () => {
    const head = fc.tuple(
      fc.oneof(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 255 })), // type
      fc.oneof(fc.constant(WIRE_VERSION), fc.integer({ min: 0, max: 255 })), //      version
      fc.integer({ min: 0, max: 255 }), //                                           message
      fc.integer({ min: 0, max: 40 }), //                                            index
      fc.integer({ min: 0, max: 40 }), //                                            count
      fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), //                 reserved
    );
    const size = fc.oneof(fc.constant(32), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1225, max: 1240 }));
    const tail = fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 30 }));
    const datagrams = fc
      .tuple(head, tail, size)
      .map(([bytes, rest, length]) => padded(concat(Uint8Array.from(bytes), rest), 1240).subarray(0, length));
    fc.assert(
      fc.property(datagrams, (datagram) => {
        expect(verdictOf(datagram)).toBe(model(datagram));
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (datagram) => {
        expect(verdictOf(datagram)).toBe(model(datagram));
      }),
      { numRuns: 300 },
    );
  });

  describe("on the tunnel's sockets", () => {
    let sender: Socket;
    beforeAll(() => {
      sender = createSocket("udp4");
    });
    afterAll(() => {
      sender.close();
    });

    test("drops what is malformed, hands on what is not, and its counters show among the drops", async () => {
      const seen: Uint8Array[] = [];
      let wake: () => void = () => {};
      const arrived = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const plane = await openNative(
        addon,
        {
          port: 0,
          interface: undefined,
          device: undefined,
          address: "fd00::1",
          prefixLength: 64,
          mtu: 1400,
          workers: 1,
        },
        {
          control: (batch) => {
            seen.push(...batch.map((d) => d.payload));
            wake();
          },
          event: () => {},
        },
        { aes256Gcm: 1, chacha20Poly1305: 1 },
        { ingress: object },
      );
      try {
        expect(plane.ingress).toEqual({ attached: true, reason: "" });
        const good = padded(fragment(), 200);
        for (const datagram of [sealed(9, 50), fragment({ version: 2 }), fragment({ count: 40 }), good]) {
          sender.send(datagram, plane.port, "127.0.0.1"); // one sender, one receiving queue: they arrive in order
        }
        await arrived;
        expect(seen).toEqual([good]);
        expect(plane.stats().drops).toMatchObject({ "ingress.type": 1, "ingress.version": 1, "ingress.fragment": 1 });
      } finally {
        await plane.close();
      }
    });
  });

  test("that the kernel refuses tells why", () => {
    try {
      addon.loadIngressFilter(Uint8Array.of(1, 2, 3));
      expect.unreachable();
    } catch (error) {
      expect(messageOf(error)).toContain("ELF");
    }
  });
});
