/**
 * One DNS message in, one out: authoritative for the zones at hand, REFUSED for everything else, and nothing is ever asked of anybody
 * (RFC 1034, 1035; EDNS of RFC 6891). Pure.
 */
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  type Question,
  type SoaAnswer,
} from "dns-packet";
import { equal } from "../base/bytes.ts";
import { type Entry, type Zone, zoneOf } from "./zone.ts";

/** What became of a message. Those without an answer are dropped. */
export type Verdict = "answered" | "nothing" | "refused" | "malformed" | "unsupported" | "ignored";

export interface Reply {
  readonly verdict: Verdict;
  readonly message?: Uint8Array;
}

/** A longer query is dropped: a question has 255 bytes, and a few options follow it. */
export const QUERY_MAX = 4096;
/** What goes in one datagram on every way (RFC 9715); asked for less, we send less. */
const DATAGRAM_MAX = 1232;
const PLAIN_MAX = 512; // RFC 1035 §2.3.4

/** Short: who is revoked is not to be found a minute later. */
const TTL = 5; // seconds
const SOA_TIMES = { refresh: 3600, retry: 600, expire: 86_400, minimum: TTL };

const RCODE = { noError: 0, formatError: 1, nameError: 3, notImplemented: 4, refused: 5 };
const BAD_VERSION = 1; // the upper bits of 16
const FLAG = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  wanted: 0x0100, //     recursion: said back, never given
  unchecked: 0x0010,
  signatures: 0x8000, // of EDNS
};
const HEADER = 12; // bytes

/** `stream`: over TCP, where nothing has to be cut. */
export function answerTo(query: Uint8Array, zones: readonly Zone[], stream = false): Reply {
  if (query.length < HEADER || query.length > QUERY_MAX) return { verdict: "ignored" };
  const head = new DataView(query.buffer, query.byteOffset, HEADER);
  const flags = head.getUint16(2);
  if (flags & FLAG.response) return { verdict: "ignored" }; // two resolvers would talk for ever
  const frame: Frame = { id: head.getUint16(0), flags: flags & (FLAG.opcode | FLAG.wanted | FLAG.unchecked) };
  if (flags & FLAG.opcode) return failed(frame, RCODE.notImplemented, "unsupported");
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => head.getUint16(at));
  // A query has one question and nothing else but options and, from who has keys for them, signatures.
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (additionals ?? 0) > 2)
    return failed(frame, RCODE.formatError, "malformed");
  const asked = read(query);
  return asked ? look(frame, asked, zones, stream) : failed(frame, RCODE.formatError, "malformed");
}

interface Frame {
  readonly id: number;
  readonly flags: number;
}

interface Asked {
  /** As it was spelled: resolvers mix the case and want it back. */
  readonly question: Question;
  readonly options: OptAnswer | undefined;
}

/** Undefined for what is no well-formed query. */
function read(query: Uint8Array): Asked | undefined {
  let packet: DecodedPacket;
  try {
    packet = decode(Buffer.from(query.buffer, query.byteOffset, query.byteLength));
  } catch {
    return undefined;
  }
  const [first] = packet.questions ?? [];
  const options = (packet.additionals ?? []).filter((a) => a.type === "OPT");
  if (!first || options.length > 1 || decode.bytes !== query.length) return undefined;
  // The library reads labels as text: one that it would not write back as it came (dots in it, bytes that are no text, pointers) is none.
  const written = encode({ questions: [first] }).subarray(HEADER);
  if (!equal(written, query.subarray(HEADER, HEADER + written.length))) return undefined;
  return { question: first, options: options[0] };
}

function look(frame: Frame, asked: Asked, zones: readonly Zone[], stream: boolean): Reply {
  const { question, options } = asked;
  const reply = (verdict: Verdict, rcode: number, sections: Sections = {}): Reply => ({
    verdict,
    message: respond(frame, asked, rcode, sections, stream),
  });
  if (options && options.ednsVersion > 0) return reply("unsupported", RCODE.noError);
  const name = question.name.toLowerCase();
  const zone = zoneOf(zones, name);
  const isTransfer = question.type === "AXFR" || question.type === "IXFR";
  const isInternet = question.class === "IN" || question.class === "ANY";
  if (!zone || isTransfer || !isInternet) return reply("refused", RCODE.refused);
  const entries = zone.at(name);
  if (!entries) return reply("nothing", RCODE.nameError, { authorities: [soa(zone)] });
  const answers = answersOf(question, name === zone.apex, zone, entries);
  if (answers.length === 0) return reply("nothing", RCODE.noError, { authorities: [soa(zone)] });
  return reply("answered", RCODE.noError, { answers });
}

/** ANY is answered by what there is (RFC 8482 §4.1). */
function answersOf(question: Question, atApex: boolean, zone: Zone, entries: readonly Entry[]): Answer[] {
  const { name } = question;
  const type: string = question.type; // the library reads more types than its declarations list
  if (atApex && (type === "SOA" || type === "ANY")) return [{ ...soa(zone), name }];
  if (atApex && type === "NS") return [{ type: "NS", name, ttl: TTL, data: zone.host }];
  return entries.filter((e) => e.type === type || type === "ANY").map((e) => ({ ...e, name, ttl: TTL }));
}

const soa = ({ apex, host, serial }: Zone): SoaAnswer => ({
  type: "SOA",
  name: apex,
  ttl: TTL,
  data: { mname: host, rname: "nobody.invalid", serial, ...SOA_TIMES },
});

interface Sections {
  readonly answers?: Answer[];
  readonly authorities?: Answer[];
}

function respond(frame: Frame, asked: Asked, rcode: number, sections: Sections, stream: boolean): Uint8Array {
  const { question, options } = asked;
  const additionals = options ? [optionsOf(options)] : [];
  const ours = sections.answers || sections.authorities ? FLAG.authoritative : 0;
  const flags = frame.flags | ours | rcode;
  const head = { id: frame.id, type: "response" as const, questions: [question] };
  const whole = encode({ ...head, ...sections, flags, additionals });
  const room = options ? Math.max(PLAIN_MAX, Math.min(options.udpPayloadSize, DATAGRAM_MAX)) : PLAIN_MAX;
  if (stream || whole.length <= room) return whole;
  return encode({ ...head, flags: flags | FLAG.truncated, additionals });
}

const optionsOf = ({ ednsVersion, flag_do }: OptAnswer): OptAnswer => ({
  type: "OPT",
  name: ".",
  udpPayloadSize: DATAGRAM_MAX,
  extendedRcode: ednsVersion > 0 ? BAD_VERSION : 0,
  ednsVersion: 0,
  flags: flag_do ? FLAG.signatures : 0,
  flag_do,
  options: [],
});

/** Says no more than that: the question may be what is wrong. */
const failed = ({ id, flags }: Frame, rcode: number, verdict: Verdict): Reply => ({
  verdict,
  message: encode({ id, type: "response", flags: flags | rcode }),
});
