// Package cluster is the objects.Backend over chains: it turns each operation
// into chunks on data chains and one command at the head of the key's tablet,
// or into queries at tails.
//
// Words: a *blob* is what one PUT body, one part or one copy wrote; a *chunk*
// is a piece of it on a data chain; an *extent* names (part of) a chunk in a
// row. A *stamp* is the tablet time that the gateway had learned, from a
// committed entry of the home tablet, when it wrote the chunk.
//
// Promises: nothing is visible before the body's Finish returned nil and the
// one command is committed; a command with an unknown outcome is KindUnknown,
// never executed again under another opID; chunks of a command that was sent
// are never removed from here; bytes of an object are verified before they are
// handed out; copies move bytes only where a digest must be computed or the
// pieces have become too many.
//
// The package declares the interfaces it needs (Index, Chunks); objectd/client
// has the real ones, clustertest has them in memory.
package cluster
