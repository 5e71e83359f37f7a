/** SPEC.md against the code, as far as a machine can read it: lengths, offsets, labels, numbers and names of tests. */
import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { LABEL, STEP } from "../../../runtime/crypto/labels.ts";
import { SHOWN_MAX } from "../../../runtime/identity/chain.ts";
import { VERDICTS_MAX } from "../../../runtime/identity/roster.ts";
import { FRAME, FragmentHeader, MAX_DATAGRAM } from "../../../runtime/mesh/frame.ts";
import { BISCUIT_PERIOD } from "../../../runtime/mesh/handshake/biscuit.ts";
import { COOKIE_PERIOD } from "../../../runtime/mesh/handshake/cookie.ts";
import { MESSAGE_MAX } from "../../../runtime/mesh/handshake/first-contact.ts";
import { COOKIES_MAX, GIVE_UP } from "../../../runtime/mesh/handshake/initiator.ts";
import { COOKIE_LIFE, REPORT_EVERY } from "../../../runtime/mesh/handshake/machine.ts";
import {
  Acknowledge,
  CookieReply,
  FirstAnswer,
  FirstHello,
  FirstReply,
  IDENTITY_STEP,
  InitConf,
  InitHello,
  MAX_FRAGMENTS,
  MESSAGE,
  RespHello,
  TAG,
  Unknown,
} from "../../../runtime/mesh/handshake/message.ts";
import {
  RESEND_GUARD,
  RETRY_FIRST,
  RETRY_GROWTH,
  RETRY_MOST,
  WHOLE_EVERY,
} from "../../../runtime/mesh/handshake/outbox.ts";
import { CANDIDATES, REASSEMBLY_LIFE, REASSEMBLY_SLOTS, VARIANTS } from "../../../runtime/mesh/handshake/reassembly.ts";
import { CONTACTS, FAILURES } from "../../../runtime/mesh/handshake/reception.ts";
import { SLOT_LIFE, SLOTS } from "../../../runtime/mesh/handshake/responder.ts";

const SPEC = await Bun.file("runtime/mesh/handshake/SPEC.md").text();
const section = (title: string): string => SPEC.split(`\n## ${title}`)[1]?.split("\n## ")[0] ?? "";
/** Rows of the tables in `text`, cells trimmed, without the lines that rule them. */
const rows = (text: string): string[][] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("|") && !/^\|[-|]+$/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const flat = SPEC.replaceAll(/\s+/g, " ");
const sources = (
  await Promise.all(
    [...new Glob("test/{unit,vectors}/**/*.test.ts").scanSync(".")]
      .filter((f) => !f.endsWith("spec.test.ts"))
      .map((f) => Bun.file(f).text()),
  )
).join("\n");

describe("SPEC.md", () => {
  test.each(
    rows(section("What it defends against"))
      .slice(1)
      .map((r) => [r[0] as string, r[3] as string] as const),
  )("names tests that there are: %s", (_, cell) => {
    const names = [...cell.matchAll(/"([^"]+)"/g)].map((m) => m[1] as string);
    expect(names.length > 0 || /^the same/.test(cell)).toBe(true);
    for (const name of names) expect([name, sources.includes(name)]).toEqual([name, true]);
  });

  test.each([
    ["K1", InitHello],
    ["K2", RespHello],
  ] as const)("gives the offsets of %s", (name, layout) => {
    const text = section(`Messages of pattern K`).split(`**${name}**, `)[1]?.split("\n\n**")[0] ?? "";
    const offsets = rows(text).slice(1);
    expect(offsets.map((r) => Number(r[0]))).toEqual(Object.values(layout.offsets));
    const ends = [...offsets.slice(1).map((r) => Number(r[0])), layout.size];
    expect(offsets.map((r) => Number(r[0]) + Number(r[1]))).toEqual(ends);
    expect(text.startsWith(`${layout.size} bytes`)).toBe(true);
  });

  test("gives the offsets of the three headers", () => {
    const table = rows(section("Datagrams").split("Message numbers")[0] ?? "").slice(1);
    const at = (column: number): number[] => table.filter((r) => r[column] !== "").map((r) => Number(r[0]));
    expect(at(1)).toEqual([...Object.values(FragmentHeader.offsets), FragmentHeader.size]);
    const inTable = (offsets: readonly number[]): number[] =>
      offsets.filter((o) => table.some((r) => Number(r[0]) === o));
    expect(at(2)).toEqual(inTable(Object.values(Acknowledge.offsets)));
    expect(at(3)).toEqual(inTable(Object.values(CookieReply.offsets)));
    expect([FragmentHeader.size, Acknowledge.size, CookieReply.size]).toEqual([32, 32, 32]);
  });

  test("gives the numbers of types and messages", () => {
    const types = Object.entries({ fragment: FRAME.handshake, acknowledgement: 2, cookie: 3, data: 4, control: 5 });
    expect(flat).toContain(`payload: ${types.map(([name, n]) => `${n} ${name}`).join(", ")}.`);
    expect([FRAME.acknowledge, FRAME.cookie, FRAME.data, FRAME.control]).toEqual([2, 3, 4, 5]);
    const numbers = Object.entries(MESSAGE).map(
      ([name, n]) => `${name === "unknown" ? "U" : name.toUpperCase()} = ${n}`,
    );
    expect(flat).toContain(`Message numbers: ${numbers.join(", ")}.`);
  });

  test("gives the lengths of the other messages and the bounds that they follow from", () => {
    expect(flat).toContain(`**K3**, ${InitConf.size} bytes`);
    expect(flat).toContain(`**U**, ${Unknown.size} bytes`);
    expect(flat).toContain(`**F1**, ${FirstHello.size} bytes`);
    expect(flat).toContain(`**F3**, a multiple of ${IDENTITY_STEP} bytes`);
    expect(flat).toContain(`F2 at least ${FirstReply.size + TAG} bytes, F4 at least ${FirstAnswer.size + TAG}`);
    const most = MAX_FRAGMENTS * (MAX_DATAGRAM - FragmentHeader.size);
    expect(flat).toContain(`${MAX_FRAGMENTS} fragments, ${most.toLocaleString("en")} bytes`);
    expect(flat).toContain(`at most ${SHOWN_MAX.toLocaleString("en")} bytes together`);
    const CBOR = 1 + 2 * 3; // a list of two byte strings of less than 64 KB
    expect(FirstReply.size + CBOR + SHOWN_MAX + TAG).toBeLessThanOrEqual(most);
    // Five root keys are a genesis of 10 kB at least; what it leaves to the chain fits the longer F3 as well.
    const SIGNATURES = 1 + 66 + 3312 + 1 + 3;
    expect(1120 + TAG + 2 + SIGNATURES + (SHOWN_MAX - 6000)).toBeLessThanOrEqual(most);
  });

  test("gives the timers and bounds of the code", () => {
    const s = (ms: number): number => ms / 1000;
    for (const text of [
      `after ${RETRY_FIRST} ms, then ${RETRY_GROWTH} times longer each time, at most ${RETRY_MOST} ms`,
      `with every ${["", "", "", "third", "fourth"][WHOLE_EVERY]} repetition all of the message`,
      `on the last fragment and on every ${["", "", "", "third", "fourth"][REPORT_EVERY]} while`,
      `at most every ${RESEND_GUARD} ms`,
      `not succeeded after ${s(GIVE_UP)} s has failed`,
      `| any | ${s(GIVE_UP)} s |`,
      `replaces every ${s(COOKIE_PERIOD)} s and honours for another ${s(COOKIE_PERIOD)} s`,
      `at most ${["", "", "two", "three"][COOKIES_MAX]} cookies in an exchange, and keeps it for ${s(COOKIE_LIFE)} s`,
      `replaced every ${s(BISCUIT_PERIOD)} s, honoured another ${s(BISCUIT_PERIOD)} s`,
      `${REASSEMBLY_SLOTS} messages in reassembly and ${SLOTS} exchanges at a responder, each for ${s(SLOT_LIFE)} s`,
      `Up to ${["", "", "two", "three"][VARIANTS]} variants`,
      `at most ${CANDIDATES === 9 ? "nine" : ""} combinations`,
      `one of ${FAILURES.burst === 5 ? "five" : ""} tokens; one returns every ${s(FAILURES.refill)} s`,
      `${CONTACTS.burst === 5 ? "five" : ""} first contacts at once and one more every ${s(CONTACTS.refill)} s`,
      `Tokens of ${FAILURES.sources} sources and ${CONTACTS.members} members are remembered`,
      `the last ${VERDICTS_MAX} chains`,
      `at most ${MESSAGE_MAX} characters`,
      `fragment count, 1 to ${MAX_FRAGMENTS}`,
    ])
      expect(flat).toContain(text);
    expect([REASSEMBLY_LIFE, COOKIE_LIFE < COOKIE_PERIOD]).toEqual([SLOT_LIFE, true]);
  });

  test("has every label of the code, and the code every label of it", () => {
    const text = new TextDecoder();
    const own = Object.entries(LABEL).filter(([name]) => /^(handshake|first|nonce|biscuit|inviteKey)/.test(name));
    const labels = [...own, ...Object.entries(STEP)].map(([, label]) => text.decode(label));
    expect(labels.filter((label) => !flat.includes(`"${label}`) && !flat.includes(`, "${label}"`))).toEqual([]);
    const quoted = [...SPEC.matchAll(/(?:mixKey|seal|deriveKey)\("([^"]+)"/g)].map((m) => m[1] as string);
    expect([...new Set(quoted)].filter((label) => label !== "label" && !labels.includes(label))).toEqual([]);
  });
});
