// Package data is the replication protocol of a data chain, as a pure state
// machine: Replica.Step(now, event) -> effects. A data chain holds write-once
// chunks. It keeps neither order nor leases: a chunk never changes, so any
// Serving replica with matching sums may answer a read.
//
// Words. An operation is one open chunk, clone, removal or probe on its way
// down the chain. A link is the ordered stream between two neighbours, in one
// epoch and between one start of each. A feed is the unbroken record of live
// changes from a tail to a joiner; a debt is a change that the joiner still has
// to hear of.
//
// Promises.
//   - A seal or clone that was answered nil is on disk, with the caller's bytes,
//     on every Serving replica of the epoch, and on every member of the
//     recoverable set until it is removed.
//   - A removal that was answered nil does not come back on a Serving replica.
//   - A chunk that was not sealed is never readable, and a sealed one is never
//     overwritten.
//   - Every refusal but RefusedUnknown means that nothing was done.
//   - Messages may be lost, repeated, delayed and reordered, replicas may crash
//     and restart, the master may suspect anybody: this delays, and fails chunks
//     that are open, and nothing else.
//   - When faults end, the chain goes on by itself, and a joiner comes in sync.
//
// Epochs, MinAck, joining, the recoverable set and identity follow the same
// rules as those of an index chain. DESIGN.md says how and why; chain/chaintest
// runs it in a simulated world.
package data
