import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concat, toHex } from "../../../runtime/base/bytes.ts";
import { formatIp } from "../../../runtime/base/ip.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import {
  BEACON_BYTES,
  BEACON_VERSION,
  type Beacon,
  BeaconBody,
  beaconKey,
  openBeacon,
  sealBeacon,
} from "../../../runtime/mesh/discovery/beacon.ts";
import { seededRandom } from "../../help/seeded.ts";
import { BEACON_CORPUS } from "./corpus.ts";

const random = seededRandom("beacon");
const key = beaconKey(native, random(200));
const ID = random(32);
const V4 = { address: "192.0.2.7", port: 21_820 };
const BEACON: Beacon = { id: ID, port: 51_820, fresh: true };
const seal = (beacon: Beacon = BEACON, address = V4.address): Uint8Array =>
  sealBeacon(native, key, beacon, address, random);

/** A body of our own making, sealed as a member could. */
function sealBody(change: (body: Uint8Array) => void): Uint8Array {
  const mapped = concat(new Uint8Array(10), Uint8Array.of(0xff, 0xff, 192, 0, 2, 7));
  const body = BeaconBody.encode({ version: BEACON_VERSION, flags: 0, port: 1, address: mapped, node: ID });
  change(body);
  const salt = random(16);
  const none = new Uint8Array(0);
  return concat(
    salt,
    native.aead["aes-256-gcm"].seal(native.hkdfExpand(key, salt, 32), new Uint8Array(12), none, body),
  );
}

describe("a beacon", () => {
  test.each([
    ["over IPv4", "192.0.2.7", "192.0.2.7"],
    ["over IPv6", "fe80::1", "fe80::1%eth0"],
  ])("%s is read by members, where it was sent from", (_, from, seen) => {
    expect(openBeacon(native, key, seal(BEACON, from), { address: seen, port: 9 })).toEqual(BEACON);
  });

  test("says the same under both providers", () => {
    const of = (p: typeof native): string => toHex(sealBeacon(p, key, BEACON, V4.address, seededRandom("same")));
    expect(of(native)).toBe(of(noble));
    expect(openBeacon(noble, key, seal(), V4)).toEqual(BEACON);
  });

  test("is as its specification has it", () => {
    const beacon = sealBeacon(
      native,
      new Uint8Array(32).fill(1),
      { id: new Uint8Array(32).fill(2), port: 51_820, fresh: true },
      "192.0.2.7",
      (n) => new Uint8Array(n).fill(3),
    );
    expect(toHex(beacon)).toBe(FROZEN);
  });

  test("has one length, whatever it says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_535 }), fc.boolean(), fc.ipV4(), (port, fresh, address) => {
        expect(seal({ id: ID, port, fresh }, address)).toHaveLength(BEACON_BYTES);
      }),
    );
  });

  test("shares nothing with another of the same gateway that who has not the key could see", () => {
    // Any byte of one is equal to that of another as often as chance has it: 255 in 256 differ.
    const many = Array.from({ length: 400 }, () => seal());
    const [first, ...others] = many as [Uint8Array, ...Uint8Array[]];
    for (let at = 0; at < BEACON_BYTES; at++) expect(others.filter((o) => o[at] === first[at]).length).toBeLessThan(15); // 1.6 expected
    expect(new Set(many.map(toHex)).size).toBe(400);
  });

  test("is nothing to another mesh, nor to who knows the mesh id only", () => {
    const genesis = random(200);
    const meshId = native.sha256(genesis);
    const beacon = sealBeacon(native, beaconKey(native, genesis), BEACON, V4.address, random);
    for (const other of [beaconKey(native, meshId), beaconKey(native, random(200)), meshId])
      expect(openBeacon(native, other, beacon, V4)).toEqual({ refused: "foreign" });
  });

  test("sent again from elsewhere is none: it names where it was made", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        fc.pre(address !== V4.address);
        expect(openBeacon(native, key, seal(), { address, port: 21_820 })).toEqual({ refused: "source" });
      }),
    );
    expect(openBeacon(native, key, seal(), { address: "::ffff:c000:207", port: 1 })).toEqual(BEACON); // the same address
    expect(openBeacon(native, key, seal(), { address: "no address", port: 1 })).toEqual({ refused: "source" });
  });

  test.each<[string, Uint8Array, string]>([
    ["of another version", sealBody((b) => b.fill(2, 0, 1)), "version"],
    ["with port 0", sealBody((b) => b.fill(0, 2, 4)), "version"],
    ["with reserved bytes", sealBody((b) => b.fill(1, 52, 53)), "version"],
    ["a byte short", seal().subarray(1), "length"],
    ["a byte long", concat(seal(), new Uint8Array(1)), "length"],
    ["of nothing", new Uint8Array(0), "length"],
  ])("%s is refused", (_, data, refused) => {
    expect(openBeacon(native, key, data, V4)).toEqual({ refused } as ReturnType<typeof openBeacon>);
  });

  test("whose flags mean nothing yet is read", () => {
    expect(
      openBeacon(
        native,
        key,
        sealBody((b) => b.fill(0xfe, 1, 2)),
        V4,
      ),
    ).toMatchObject({ fresh: false, port: 1 });
  });

  test("with any bit changed is refused", () => {
    const good = seal();
    for (let bit = 0; bit < 8 * good.length; bit++) {
      const bad = good.slice();
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(openBeacon(native, key, bad, V4)).toEqual({ refused: "foreign" });
    }
  });

  test.each(BEACON_CORPUS)("%s is refused without a throw", (_, data) => {
    for (const body of [data, data.subarray(0, BEACON_BYTES)])
      expect(openBeacon(native, key, body, V4)).toHaveProperty("refused");
  });

  test("never throws, whatever came from wherever", () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIp),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * BEACON_BYTES }), address, (data, from) => {
        expect(openBeacon(native, key, data, { address: from, port: 1 })).toHaveProperty("refused");
      }),
      { numRuns: 1000 },
    );
  });
});

/** By SPEC.md with other code: HMAC and AES of node:crypto. */
const FROZEN =
  "030303030303030303030303030303034e79cf916e8f052c7730dead56d9ac794a5c8fc6f6bcc7d4770c35b4" +
  "70975e9150cdebe90efc9fa86e8d17b05c4812e486d248a0654370682fe66a1e76d9120c82a3523fea26e4b6";
