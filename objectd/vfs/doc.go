// Package vfs is the file system as a store needs it: small, and with forms
// that make crashes and faults testable.
//
//   - OS is the real one. On Linux it syncs with fdatasync, preallocates with
//     fallocate and punches holes; where that is not supported it does what it
//     can, and Notes says so.
//   - Mem is memory. CrashClone gives what a power cut might have left: each
//     4 KiB block and each directory entry that was not synced is kept or lost
//     by a seeded choice.
//   - Fault fails the i-th call of chosen kinds, and everything after it if asked.
//   - Trace counts and, if asked, records every call.
//   - Pebble adapts any of them to the file system that Pebble takes, so that
//     one crash or one fault covers segments and rows together.
//
// Why an interface of our own and not Pebble's: ours has what segments need
// (truncate, punch, preallocation that sets the size, one call to sync a
// directory) in half the methods, the Raft log uses it too without knowing
// Pebble, and Pebble's crashable memory walks Go maps while it draws from its
// random source, so one seed does not give the same crash twice.
package vfs
