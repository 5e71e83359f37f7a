import { call } from "../api/client.io.ts";
import { oneOf } from "../config/parsers.ts";
import { command, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { drawDot, drawSvg, drawText, type Graph } from "./graph-drawing.ts";

export const graph = command({
  name: "graph",
  doc: "who is linked to whom, as both ends confirm it",
  positionals: NONE,
  options: {
    format: option({
      key: "format",
      fallback: "text",
      unit: "",
      doc: "how it is drawn",
      parse: oneOf("text", "dot", "svg"),
    }),
  },
  examples: [
    ["trellis graph", "for the terminal"],
    ["trellis graph --format svg > mesh.svg", "a picture for a browser"],
    ["trellis graph --format dot > mesh.dot", "for Graphviz"],
  ],
  async run(args) {
    const answer = await call<Graph>(socketOf(args), "graph");
    const draw = args.format === "svg" ? drawSvg : args.format === "dot" ? drawDot : drawText;
    print(args, answer, () => draw(answer));
  },
});
