// Package data is the replication protocol of a data chain, as a pure state
// machine: Replica.Step(now, event) -> effects. A data chain holds write-once
// chunks. It keeps neither order nor leases: a chunk never changes, so any
// Serving replica with a matching checksum may answer a read.
//
// Epochs, MinAck, joining, the recoverable set and identity follow the same
// rules as those of an index chain. Open and seal check the persisted epoch at
// every hop; a chunk is sealed only in the epoch in which it was opened, so a
// new epoch fails every open chunk.
package data
