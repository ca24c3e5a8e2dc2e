// Package harness runs real Catena processes on real file systems for tests
// and campaigns: it builds the binary, starts it on free loopback ports, waits
// until it is ready, kills it, and makes loop-mounted ext4 file systems whose
// power can be cut.
//
// It ends only processes that it started, and unmounts only what it mounted.
package harness
