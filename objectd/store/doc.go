// Package store keeps the replicas of one disk.
//
// Words. A segment is a file of fixed size that is written once per use and
// reused whole. Record segments, in the order of their incarnations, are the
// log: everything durable is a record there, once. Chunk segments are extent
// space for the bytes of chunks. The rows (Pebble, without a WAL) are derived
// from the log and can be rebuilt from it. A replica is named by Key: its
// chain and its incarnation on this store.
//
// Promises.
//   - A record whose done was called with nil survives any crash; a record
//     whose done was not called is wholly there afterwards or not at all.
//   - Records of one replica are in the log, and their dones are called, in
//     the order in which they were appended.
//   - All waiting records of all replicas share one write and one sync.
//   - Bytes of payloads and chunks are verified against their checksums before
//     one of them is handed out.
//   - Only Remove and DropReplica destroy chunks, and DropQuarantined what was put
//     aside. A good copy takes the place of a damaged one in one record, which
//     puts the damaged one aside.
//   - The first failed write or sync ends the store: OnFail is called once,
//     every later call gives ErrFailed at once, nothing is tried again, and the
//     process lives on. A full disk is not a failure.
//   - A store whose directory is removed or replaced under it ends as well, when
//     Free looks next; it makes and removes nothing in the directory that came.
//   - Close waits for no space: on a full disk what was not acknowledged is
//     refused, in order, and what the rows lack the next Open takes from the log.
//   - What a crash left behind is never read as something acknowledged, also
//     when a segment has been used many times.
//
// Every method is safe for concurrent use; what is appended for one replica
// from several goroutines has no order.
//
// FORMAT.md beside this file describes the bytes on disk and the rules of
// recovery and reuse.
package store
