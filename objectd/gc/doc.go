// Package gc removes chunks that no row names any more.
//
// Words: a *release row* is what the entry that dropped a layout left for the
// worker: which chunks to remove, with which part and manifest rows. The
// *grace* is how long it waits, for readers that still have the old row. An
// *orphan* is a chunk that no command ever named, because its request died.
//
// The worker acts on committed release rows only: it removes the chunks from
// their chains, and when that is durable it tells the tablet, which deletes the
// rows. Both steps may be repeated: a worker that dies between them does the
// first again. The scan for orphans asks the owner of each old chunk; only the
// answer "no committed row names it, and none can any more" (see
// tablet.AskReferenced) removes one, never a timeout or an error.
package gc
