// Package raftlog keeps the Raft log, the votes and the snapshots of one voter
// on a disk that may fail, and lets the voters of one process talk.
//
//   - Store is hashicorp/raft's LogStore and StableStore on one append-only
//     file. What a call stored is synced when it returns. Nothing is mapped into
//     memory, so a dying disk gives errors and kills nobody.
//   - Snapshots is its SnapshotStore, one file for each snapshot.
//   - Hub and Transport carry calls between voters of one process. A voter that
//     was cut never speaks again.
//   - Logger gives hclog's interface to slog.
//
// A voter is dead from its first I/O error on: OnDead is called before the call
// that failed returns, from then on everything is answered from memory (the Raft
// library panics on some errors) and the disk is not touched again. The owner
// cuts the transport in OnDead: so nothing that was not synced is ever
// acknowledged to another voter. What the library then commits by itself, alone,
// means nothing; the owner asks Dead before it believes the machine.
//
// The bytes are described in FORMAT.md.
package raftlog
