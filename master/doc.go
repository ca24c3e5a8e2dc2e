// Package master runs the masters of a process: a Raft voter (hashicorp/raft)
// on each of up to three directories, the state machine of package state on top
// of them, and the driver that observes, plans, and publishes the map.
//
// Words: a voter is one Raft server and the files of its directory; its Raft id
// is its store's id. A voter is dead from its first I/O error on, for good. A
// spare is a directory without a voter. The driver runs wherever the leader is.
//
// Promises: only a committed log entry makes a configuration; losing any one
// directory of three loses nothing and costs less than a second; what the
// driver knows only from hearsay (health, reports) is never in the log; nobody
// stops because the master is silent.
//
// DESIGN.md has the decisions.
package master
