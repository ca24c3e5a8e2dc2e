// Package state is the master without its Raft: what the committed log means,
// and which change comes next. It is pure: no disk, clock, goroutine, random
// number or map order decides anything.
//
//   - State is what the log built. Apply takes one command; two voters that
//     applied the same commands hold the same bytes (EncodeSnapshot).
//   - Command is what the log carries. Every command has an op id, and a command
//     on a chain names the epoch that it expects, so a command that was sent
//     twice, or too late, changes nothing.
//   - Next is the planner: from a State and what was Observed it gives the next
//     commands. Whatever it is told, what it asks for is checked again by Apply:
//     a planner that is wrong can cost availability, never data.
//
// Words: a member serves or joins; a former member was removed and may come
// back only as a joiner; a suspect's store failed by an I/O error since its
// rows were written, so it is replaced as soon as others can stand in for it;
// the recoverable set holds every acknowledged write.
package state
