// Package index is the replication protocol of an index chain, as a pure state
// machine: Replica.Step(now, event) -> effects. The head orders commands into
// a log of physical entries, entries flow from head to tail, the tail commits
// them and answers reads under a lease granted down the chain.
//
// What it promises, when effects are carried out in order and Durable is told
// truthfully: an entry that was acknowledged is on the disk of every member of
// the recoverable set; answers and reads are linearizable, whatever the network
// does and whoever restarts, as long as clocks run at nearly one rate; and the
// chain goes on, reads and writes, when no master answers.
//
// A stream is one attempt to keep a neighbour filled; a probe asks the chain
// whether the head is still the head; the durable prefix is how much of the log
// everyone from the head on has on disk; a replica has agreed when it has all
// that its successor has; the commit path is the mode in which a tail commits
// nothing that its joiner has not; a wait is owed to leases of older epochs.
//
// The rules, each with what guards it, are in ../DESIGN.md. They are judged by
// the simulator in ../chaintest and told as stories in ../testdata.
package index
