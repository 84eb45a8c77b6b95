import * as z from "zod";
import * as protocol from "./protocol.ts";

/** Everything that two programs must agree on, as plain JSON: what the wire test compares with `wire.v1.json`. */
export function describeWire(): unknown {
  const schemas = Object.entries<unknown>(protocol)
    .filter((entry): entry is [string, z.ZodType] => entry[1] instanceof z.ZodType)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    version: protocol.PROTOCOL_VERSION,
    feedSubprotocol: protocol.FEED_SUBPROTOCOL,
    connectionPrefix: protocol.CONNECTION_PREFIX,
    refusals: protocol.refusals,
    schemas: Object.fromEntries(schemas.map(([name, schema]) => [name, z.toJSONSchema(schema, { io: "input" })])),
  };
}
