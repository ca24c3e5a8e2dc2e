// Package identity knows which data directories belong together: it decides at
// start which store each given DIR is, and keeps the answer on all of them.
//
// Words:
//
//   - record: the list of all stores of this node with their paths, which of
//     them hold a voter of the masters, the ids of cluster and node, and a
//     generation. Every DIR holds a copy; the highest readable generation wins.
//   - present: a DIR whose identity names a store that the record knows, that
//     is not replaced, can be locked and can be written.
//   - lost: a recorded store that is neither present nor replaced.
//   - replaced: a lost store whose place a new, empty one has taken. It is
//     never used again; if its DIR comes back it is named and left untouched.
//   - forming: between the first identity written and the last one. Nothing is
//     served before the record is formed, so an interrupted first start is
//     simply continued.
//
// Promises:
//
//   - Decide is pure. What it refuses, it refuses with one sentence per
//     problem that names the directories.
//   - An empty directory never counts for anything: not as a voter, not as a
//     reason to believe that a store is there.
//   - A change of the record counts as made when it is durable on a majority of
//     the voters recorded before it. A start needs a majority of the recorded
//     voters, so no later start can miss it.
//   - A DIR that holds what is ours and has no identity file that verifies is
//     named and left alone; the others serve on, as without any lost DIR.
//   - What reads the record waits for no disk. A process writes only into the
//     directory that it opened, not into one that came to its path later.
//   - One process at a time uses a directory (flock on its LOCK file).
//
// The bytes are described in FORMAT.md.
package identity
