// Package index is the replication protocol of an index chain, as a pure state
// machine: Replica.Step(now, event) -> effects. The head orders commands into
// a log of physical entries, entries flow from head to tail, the tail commits
// them and answers reads under a lease granted down the chain.
//
// The rules and their proofs of need are in DESIGN.md beside this file.
package index
