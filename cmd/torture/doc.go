// Command torture kills a catena process at random moments, or takes its
// stopped directories away, under eight concurrent writers, and verifies every
// acknowledged object after each round.
//
//	go run ./cmd/torture -mode kill -rounds 200 -record
//	go run ./cmd/torture -mode stopped -record
package main
