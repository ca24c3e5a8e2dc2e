// Package tablet gives the log of an index chain its meaning: rows, commands,
// the evaluation of a command to a physical entry, queries and scans. It knows
// objects, versions, uploads and buckets, and no S3 errors. It is pure.
//
// Words. A *command* is what a gateway asks; Machine.Evaluate turns it, once,
// at the head, into an *entry*: full images of rows to put and keys to delete.
// An *owner* is (bucketID, user key), by which tablets are divided; each row's
// key begins with its kind and then its owner. A *query* reads committed rows
// at the tail. *Tablet time* is the time in milliseconds of an entry; T is that
// of the last entry in the head's log, L the one that a caller has learned from
// a committed entry. A *stamp* is the L that a chunk's header carries.
//
// The driver's part: for each command it calls Machine.Gather over the rows as
// they are applied at that moment and steps the replica with the Given; for
// each Apply effect it calls DecodeRows and writes the rows as one batch; after
// it opened a replica or installed a snapshot it calls Machine.Load. Queries go
// through Run, over the tail's rows.
//
// Promises: an entry has no logic in it; a command with a known opID is never
// evaluated again; an answer that orders no entry names the newest pending
// entry on which it rests; every decoder bounds what it allocates, and a row
// kind, version or incompatible flag that this release does not know is an
// error that stops the replica.
//
// FORMAT.md describes the bytes.
package tablet
