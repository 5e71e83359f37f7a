/** Files that are taken in as text when the program is built. */
declare module "*.service" {
  const text: string;

  // biome-ignore lint/style/noDefaultExport: that is how the runtime hands out a text file
  export { text as default };
}
