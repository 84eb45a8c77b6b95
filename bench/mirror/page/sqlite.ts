import { sqlitePeer } from "./sqlite-peer.ts";

export const peer = sqlitePeer("rollback");
