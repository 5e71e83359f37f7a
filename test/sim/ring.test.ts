import { expect, test } from "bun:test";
import { createRing, sessions } from "./ring.ts";

test("twelve gateways with four neighbours each shake hands under 20 % loss, with real ML-KEM and ML-DSA", async () => {
  const seed = "ring";
  const ring = await createRing(seed, 12, 20);
  for (let tries = 0; tries < 48 && sessions(ring).up < sessions(ring).wanted; tries++) await ring.world.run(250);
  expect({ seed, ...sessions(ring) }).toEqual({ seed, up: 48, wanted: 48 });
}, 60_000);
