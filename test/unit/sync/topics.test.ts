import { describe, expect, test } from "bun:test";
import { utf8 } from "../../../runtime/base/bytes.ts";
import {
  type Caller,
  covers,
  DEFAULT_RULES,
  isAllowed,
  keyOf,
  ruleOf,
  topicKey,
} from "../../../runtime/sync/topics.ts";

describe("a filter covers another", () => {
  test.each([
    ["#", "a/b", true],
    ["#", "#", true],
    ["#", "+/#", true],
    ["a/#", "a/b/c", true],
    ["a/#", "a", true],
    ["a/#", "a/#", true],
    ["a/+", "a/b", true],
    ["a/+", "a/+", true],
    ["a/+/c", "a/b/c", true],
    ["a/b", "a/b", true],
    ["a/b", "a/+", false],
    ["a/+", "a/#", false],
    ["a/+", "a", false],
    ["a/+", "a/b/c", false],
    ["a/#", "b", false],
    ["a/#", "+/b", false],
    ["a/#", "#", false],
    ["a/b", "a", false],
    ["a", "a/b", false],
    ["", "a", false],
  ])("%s covers %s: %p", (allowed, wanted, want) => expect(covers(allowed, wanted)).toBe(want));

  test.each([
    ["#", "$SYS/x"],
    ["+/x", "$SYS/x"],
  ])("%s does not reach %s", (allowed, wanted) => expect(covers(allowed, wanted)).toBe(false));

  test("only by its own first word a topic that begins with $", () => expect(covers("$SYS/#", "$SYS/x")).toBe(true));
});

describe("the rules", () => {
  const local: Caller = { name: "local", local: true, roles: [] };
  const member: Caller = { name: "m", local: false, roles: ["sensor"] };
  const rules = [...DEFAULT_RULES, { who: "role:sensor", publish: ["readings/+"], subscribe: [] }];

  test.each([
    [local, "publish", "anything", true],
    [local, "subscribe", "#", true],
    [member, "subscribe", "mesh/#", true],
    [member, "subscribe", "mesh/a", true],
    [member, "subscribe", "#", false],
    [member, "subscribe", "readings/a", false],
    [member, "publish", "mesh/a", false],
    [member, "publish", "readings/a", true],
    [{ ...member, roles: [] }, "publish", "readings/a", false],
    [{ ...local, roles: ["sensor"] }, "subscribe", "$SYS/a", false],
  ] as const)("%p may %s %s: %p", (caller, action, topic, want) =>
    expect(isAllowed(rules, caller, action, topic)).toBe(want),
  );
});

test("a mesh topic is the key of a record", () => {
  expect([keyOf("mesh/a/b"), keyOf("mesh/"), keyOf("mesh"), keyOf("other/mesh/a")]).toEqual([
    "a/b",
    undefined,
    undefined,
    undefined,
  ]);
});

describe("a record's key", () => {
  test.each([
    ["site/a", "site/a"],
    ["ä/1", "ä/1"],
    ["", undefined],
    ["a/+", undefined],
    ["#", undefined],
    ["a\0b", undefined],
  ])("%p is topic %p", (key, topic) => expect(topicKey(utf8(key).toHex())).toBe(topic));

  test("that is no text is no topic", () => expect(topicKey("ff00")).toBeUndefined());
});

test("a rule is read as its setting has it", () => {
  expect(ruleOf("role:x publish a/+")).toEqual({ who: "role:x", publish: ["a/+"], subscribe: [] });
  expect(ruleOf("member subscribe b/#")).toEqual({ who: "member", publish: [], subscribe: ["b/#"] });
});
