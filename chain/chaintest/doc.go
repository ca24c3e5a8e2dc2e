// Package chaintest runs the protocols of chain/index and chain/data in a
// simulated world: a network that loses, repeats, delays and reorders messages
// and falls apart, disks that forget what was not synced, clocks that drift,
// processes that stop and pause, a master that suspects the wrong members, and
// clients that write down what they were told.
//
// A run is a function of its seed and options: the same seed gives the same
// trace. Invariants are checked after every step, linearizability at the end.
// A rule of the protocol can be left out (chain/internal/rule), to show that
// the checks would see it missing.
//
// A small chain can also be explored (explore.go): every state that it can reach
// within the bounds of a Scope, with the same invariants and a shortest story for
// a violation.
//
// The world (world.go, net.go, clock.go, disk.go, master.go, trace.go) knows
// nothing of either protocol; index_*.go and data_*.go put replicas into it.
package chaintest
