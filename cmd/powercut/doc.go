// Command powercut cuts the power of the loop-mounted ext4 file systems below
// a catena process, or takes one away while it runs, under eight concurrent
// writers, and verifies every acknowledged object after each round. Linux, root.
//
//	go run ./cmd/powercut -mode cut -rounds 30 -record
//	go run ./cmd/powercut -mode running -record
package main
