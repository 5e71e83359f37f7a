/** What records cost while nothing changes. */
import { expect, test } from "bun:test";
import { hours, minutes } from "../../runtime/base/time.ts";
import { RecordsWorld } from "./records-world.ts";

/**
 * Of a message over the stream: its envelope (30), a segment's head, seal and tag (12 + 16 + 16), UDP and IPv6 (48), and the
 * acknowledgement, which is a frame of its own (9 + 16 + 16 + 48).
 */
const BESIDE = 30 + 12 + 16 + 16 + 48 + 9 + 16 + 16 + 48;

test("ten gateways, each with a session with each other, exchange under 5 bytes a second each", async () => {
  const world = new RecordsWorld("idle");
  for (let i = 0; i < 10; i++) await world.add(`g${i}`);
  for (const [i, a] of world.gateways.entries()) for (const b of world.gateways.slice(i + 1)) await world.link(a, b);
  for (const g of world.gateways) await g.write("application", `topic ${g.name}`, "x");
  expect(await world.until(() => world.agree() && world.gateways[0]?.replica?.size === 10, minutes(1))).toBeDefined();
  await world.run(minutes(5));
  [world.bytes, world.messages] = [0, 0];
  await world.run(hours(1));
  expect(world.messages).toBeGreaterThan(0); // they still look whether they agree
  expect((world.bytes + world.messages * BESIDE) / 10 / 3_600).toBeLessThan(5);
});

test("a gateway that nobody was told of agrees again, though the others hold that they are alike", async () => {
  const world = new RecordsWorld("silent loss");
  const [a, b] = [await world.add("a"), await world.add("b")];
  await world.link(a, b);
  await a.write("application", "first", "x");
  expect(await world.until(() => world.agree(), minutes(1))).toBeDefined();
  await world.run(minutes(5));
  world.tamper = () => [];
  await a.write("application", "second", "x");
  await b.write("application", "third", "x");
  await world.run(minutes(2));
  expect(world.agree()).toBe(false);
  world.tamper = undefined;
  expect(await world.until(() => world.agree(), minutes(2))).toBeDefined();
});
