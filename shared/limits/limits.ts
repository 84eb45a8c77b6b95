/**
 * Every bound of the product, in one place. `welcome` and problem documents name those that a peer can run into.
 * Google's own limits were read from its documentation in 2026; they change without notice.
 */
export const limits = {
  /** Largest body of one post, in bytes before any decoding. A 413 carries it as `maxBytes`. */
  postMaxBytes: 4 * 1024 * 1024,
  /** What the script aims at when it packs readings into a post, in characters of JSON. */
  postTargetChars: 2 * 1024 * 1024,
  /** Largest WebSocket frame in either direction, in bytes. */
  frameMaxBytes: 1024 * 1024,
  /** Largest frame a client may send up, in bytes: words, never contents. */
  upFrameMaxBytes: 64 * 1024,
  /** Google: characters in one cell. */
  cellMaxChars: 50_000,
  /** Google: columns of a sheet (ZZZ). */
  sheetMaxColumns: 18_278,
  /** Google: cells of a spreadsheet. */
  spreadsheetMaxCells: 10_000_000,
  /** Sheets in one spreadsheet that we follow. */
  spreadsheetMaxSheets: 200,
  /** Readings in one post. */
  postMaxReadings: 500,
  /** Wants in one answer. */
  answerMaxWants: 64,
  /** Cells that one `cells` want asks for. */
  wantMaxCells: 20_000,
  /** Rows that one `rows` want asks for. */
  wantMaxRows: 2_000,
  /** Cells behind one `digests` want. */
  digestWantMaxCells: 200_000,
  /** Cells of a sheet whose columns are compared as a whole. */
  columnCheckMaxCells: 400_000,
  /** Cells of formula sheets that an edit run checks by itself. */
  editCheckMaxCells: 20_000,
  /** Cells that an edit run reads around the edited range (full width of its rows). */
  editReadMaxCells: 20_000,
  /** Clock difference between signer and relay, in seconds (Standard Webhooks recommends five minutes). */
  clockToleranceS: 300,
  /** How long a post's id is remembered with its answer, in milliseconds. */
  postIdMemoryMs: 24 * 60 * 60 * 1000,
  /** How long one answerer has for a want, in milliseconds. */
  wantLeaseMs: 60_000,
  /** B counts as read after A only if it began this much later, in milliseconds. */
  orderMarginMs: 250,
  /** How far back the memory of reading times goes, in milliseconds. */
  readingMemoryMs: 60_000,
  /** Posts of one run that may be answered with wants beyond a first copy. */
  runMaxRounds: 6,
  /** Down queue of one reader, in bytes; over it the reader is cut off and resumes from the log. */
  readerQueueMaxBytes: 8 * 1024 * 1024,
  /** A reader for whom bytes wait and whose network takes none of them for so long is let go, in milliseconds. */
  readerStalledMs: 70_000,
  /** Posts of one spreadsheet that may wait to be folded, and their bytes; over it 429. */
  waitingPostsOfOne: 1_024,
  waitingBytesOfOne: 32 * 1024 * 1024,
  /** Posts that may wait in all, and their bytes; over it 503. */
  waitingPosts: 16_384,
  waitingBytes: 256 * 1024 * 1024,
  /** Bytes of bodies that are being read at once, before anybody is known to have sent them; over it the oldest gets a 503. */
  readingBytes: 128 * 1024 * 1024,
  /** Posts of one spreadsheet a second unless set otherwise: a bound against what went wild, far above what Google lets scripts do. */
  postsPerSecond: 20_000,
  /** Changes stay for so many days unless set otherwise, and the newest of each spreadsheet up to so many megabytes. */
  keepDays: 90,
  keepMegabytes: 1_024,
  /** Rows in one snapshot line and in one block of the mirror. */
  blockRows: 256,
  /** How often a client sends an app-level ping, in milliseconds. Chrome ends a silent worker after 30 s. */
  pingEveryMs: 20_000,
  /** How long a client waits for the pong, in milliseconds. */
  pongWithinMs: 10_000,
  /** A socket that said nothing for this long is closed by the relay, in milliseconds. */
  socketSilentMs: 60_000,
  /** How long a socket may stay open without `hello`, in milliseconds. */
  helloWithinMs: 10_000,
  /** Spreadsheets watched over one socket. */
  socketMaxWatches: 100,
  /** Changes in one page of `GET …/changes?since=`. */
  changesPageMax: 1_000,
  /** Cells in one answer of `GET …/values`. */
  readMaxCells: 500_000,
  /** Rows in one answer of `GET …/values` or `…/digests`. */
  readMaxRows: 100_000,
  /** Connections a relay takes at once, feed sockets among them. */
  connectionsMax: 20_000,
  /** After this long without a word from the relay no surface says "live", in milliseconds (promise P4). */
  liveMaxSilenceMs: 30_000,
  /** Google: trigger run time a day of a consumer account, in milliseconds. */
  triggerDayMs: 90 * 60_000,
  /** Google: run time of one execution, in milliseconds. */
  runLimitMs: 6 * 60_000,
  /** How often the script's own timed trigger fires, in milliseconds. */
  tickEveryMs: 10 * 60_000,
  /** How long nothing has to be heard before what changed is proven, in milliseconds. */
  quietMs: 5_000,
  /** What is open is asked for after this long even if it never falls quiet, in milliseconds. */
  openMostMs: 60_000,
  /** A call of the web app that takes longer than this counts as unanswered, in milliseconds; the script reads for 20 s. */
  callAnswerWithinMs: 25_000,
  /** A call of the web app is given up after this, in milliseconds; less than the lease of what it asks. */
  callTimeoutMs: 55_000,
  /** Calls of web apps under way at once in one relay. Google runs at most 30 at once for one account. */
  callsAtOnce: 16,
  /** Calls of one web app, one after the other, each with the wants of the one before. */
  callMaxRounds: 30,
  /** Redirects followed in one call of a web app; Google's answer is behind one. */
  callMaxRedirects: 3,
  /** An open sidebar counts as there for so long after it was heard, in milliseconds. */
  sidebarFreshMs: 45_000,
  /** Entries in one answer of `GET …/cells/{a1}/history`. */
  historyMaxEntries: 1_000,
} as const;
