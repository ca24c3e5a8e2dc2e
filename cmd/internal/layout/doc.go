// Package layout holds no code: its test guards the shape of the tree. Which
// package may import which is a promise of the design: a pure package can be
// simulated and explored because it cannot reach a clock, a disk or a socket,
// and s3api, objectd and master stay replaceable because only cmd knows them all.
package layout
