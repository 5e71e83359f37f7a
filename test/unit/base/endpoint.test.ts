import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { endpointKey, parseEndpoint } from "../../../runtime/base/endpoint.ts";
import { formatIp } from "../../../runtime/base/ip.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const port = fc.integer({ min: 1, max: 65_535 });

test("every endpoint comes back from its text", async () => {
  const scope = fc.constantFrom("", "%eth0", "%wg-1.2_x");
  await fc.assert(
    fc.property(fc.oneof(bytes(4), bytes(16)), scope, port, (address, s, p) => {
      const endpoint = { address: formatIp(address) + (address.length === 16 ? s : ""), port: p };
      expect(parseEndpoint(endpointKey(endpoint))).toEqual(endpoint);
    }),
  );
});

test.each([
  ["[FE80:0::1%eth0]:1", { address: "fe80::1%eth0", port: 1 }],
  ["[::ffff:c000:201]:9", { address: "::ffff:192.0.2.1", port: 9 }],
  ["192.0.2.1:65535", { address: "192.0.2.1", port: 65_535 }],
])("%s is read in its canonical form, so that one endpoint has one key", (text, want) => {
  expect(parseEndpoint(text)).toEqual(want);
});

test.each([
  "",
  "192.0.2.1",
  "192.0.2.1:",
  "192.0.2.1:0",
  "192.0.2.1:65536",
  "192.0.2.1:99999",
  "192.0.2.1:080",
  "192.0.2.1:1 ",
  " 192.0.2.1:1",
  "192.0.2.1:1\n",
  "192.0.2.256:1",
  "192.0.02.1:1",
  "1.2.3:1",
  "[192.0.2.1]:1",
  "fe80::1:1",
  "[]:1",
  "[:::]:1",
  "[1::2::3]:1",
  "[12345::]:1",
  "[1:2:3:4:5:6:7]:1",
  "[fe80::1%]:1",
  "[fe80::1%a b]:1",
  `[fe80::1%${"x".repeat(33)}]:1`,
  "[fe80::1:1",
  "192.0.2.1%eth0:1",
  "localhost:1",
])("%p is no endpoint", (text) => {
  expect(parseEndpoint(text)).toBeUndefined();
});

test("no text makes the parser throw, and what it takes is the text of what it gives or another form of it", async () => {
  const near = fc.string({ unit: fc.constantFrom(..."0123456789abcdefF:.[]%") });
  await fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      const endpoint = parseEndpoint(text);
      if (endpoint) expect(parseEndpoint(endpointKey(endpoint))).toEqual(endpoint);
    }),
    { numRuns: 2000 },
  );
});
