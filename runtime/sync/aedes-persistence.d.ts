/** The package keeps the type of its memory of sessions beside the file that a program imports. */
declare module "aedes-persistence/asyncPersistence.js" {
  import Memory = require("aedes-persistence/types/asyncPersistence");

  export = Memory;
}
