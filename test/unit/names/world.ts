/** A mesh with names, questions about it, and what comes back. */
import { type Answer, type DecodedPacket, decode, encode, type OptAnswer } from "dns-packet";
import { type Prefix, parsePrefix } from "../../../runtime/base/ip.ts";
import { answerTo, type Reply } from "../../../runtime/names/answer.ts";
import { type Named, zonesOf } from "../../../runtime/names/zone.ts";

export const PREFIX = parsePrefix("fd12:3456:789a::/64") as Prefix;
const address = (last: string): string => `fd12:3456:789a:0:${last}`;
export const A = address("1111:2222:3333:4444");
export const B = address("5555:6666:7777:8888");
export const X = address("9999:aaaa:bbbb:cccc");
export const MEMBERS: readonly Named[] = [
  { name: "a", address: A },
  { name: "b", address: B },
  { name: "x.site1", address: X },
];
export const ZONES = zonesOf({ meshName: "mesh", prefix: PREFIX, self: "a", members: MEMBERS, serial: 7 });

export const reverseOf = (address: string): string =>
  `${[...address.replace("fd12:3456:789a:0:", "fd12:3456:789a:0000:").replaceAll(":", "")].reverse().join(".")}.ip6.arpa`;

const WANTED = 0x0100; // recursion

export interface Asking {
  readonly type?: string;
  readonly class?: string;
  /** With EDNS and this payload size. */
  readonly size?: number;
  readonly version?: number;
}

export function query(name: string, { type = "AAAA", class: cls = "IN", size, version = 0 }: Asking = {}): Uint8Array {
  const options: OptAnswer = {
    type: "OPT",
    name: ".",
    udpPayloadSize: size ?? 0,
    extendedRcode: 0,
    ednsVersion: version,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const question = { name, type: type as "A", class: cls as "IN" };
  return encode({
    id: 4711,
    type: "query",
    flags: WANTED,
    questions: [question],
    additionals: size === undefined ? [] : [options],
  });
}

export const reply = (message: Uint8Array | undefined): DecodedPacket => decode(Buffer.from(message as Uint8Array));

export const ask = (name: string, asking?: Asking, stream = false): Reply =>
  answerTo(query(name, asking), ZONES, stream);

/** What the library's `rcode` leaves out of its declarations. */
export const codeOf = (packet: DecodedPacket): string => (packet as DecodedPacket & { readonly rcode: string }).rcode;

export const datas = (answers: readonly Answer[] | undefined): unknown[] =>
  (answers ?? []).map((a) => ("data" in a ? a.data : undefined));
