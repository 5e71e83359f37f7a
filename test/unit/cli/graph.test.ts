import { describe, expect, test } from "bun:test";
import { drawDot, drawSvg, drawText, type Graph } from "../../../runtime/cli/graph-drawing.ts";

const GRAPH: Graph = {
  self: "b",
  members: [{ name: "a" }, { name: "b" }, { name: "c" }, { name: "lost" }],
  links: [
    { ends: ["a", "b"], cost: 1, roundTripMs: 0.42 },
    { ends: ["b", "c"], cost: null, roundTripMs: null },
    { ends: ["c", "a"], cost: 3, roundTripMs: null },
  ],
};

describe("a graph of links", () => {
  test("for the terminal begins with this gateway and shows each with its links", () => {
    expect(drawText(GRAPH)).toEqual([
      "b  (this gateway)",
      "├── a  cost 1, 0.4 ms",
      "└─x c  down",
      "a",
      "├── b  cost 1, 0.4 ms",
      "└── c  cost 3",
      "c",
      "├── a  cost 3",
      "└─x b  down",
      "lost  no links",
    ]);
  });

  test("for Graphviz quotes what it names", () => {
    const dot = drawDot({ ...GRAPH, members: [{ name: 'a"b' }], links: [] });
    expect(dot).toEqual(["graph mesh {", "  node [shape=box, style=rounded];", '  "a\\"b";', "}"]);
    expect(drawDot(GRAPH)).toContain('  "b" -- "c" [style=dotted];');
    expect(drawDot(GRAPH)).toContain('  "a" -- "b" [label="cost 1, 0.4 ms"];');
  });

  test("as a picture has a box for each member and a line for each link, and no markup of theirs", () => {
    const svg = drawSvg({ ...GRAPH, members: [...GRAPH.members, { name: "<x>&" }] }).join("\n");
    expect(svg.match(/<rect x=/g)).toHaveLength(5);
    expect(svg.match(/<line /g)).toHaveLength(3);
    expect(svg).toContain("&lt;x&gt;&amp;");
    expect(svg).not.toContain("<x>");
  });

  test("of a gateway that is alone is drawn as well", () => {
    const alone: Graph = { self: "a", members: [{ name: "a" }], links: [] };
    expect(drawText(alone)).toEqual(["a  (this gateway)  no links"]);
    expect(drawSvg(alone).at(-1)).toBe("</svg>");
  });
});
