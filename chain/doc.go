// Package chain holds the words that every part of Catena shares: the
// identities of stores, chains, tablets and chunks, epochs and configurations,
// the map that the master publishes, and the envelope in which replicas talk.
//
// The replication protocols themselves are in the sub-packages: chain/index
// replicates a log of physical entries (a tablet), chain/data replicates
// write-once chunks. Both are pure state machines: Step(event) -> effects.
// chain/tablet says what an entry of an index chain means.
//
// Everything below chain/ is pure: no disk, socket, clock, goroutine, log or
// package-level state. Time is a number that the driver hands in.
package chain
