// Package clock reads the machine's clocks for the state machines: a monotonic
// one that counts suspend, for leases, and the wall clock, for tablet time.
package clock
