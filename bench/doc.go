// Package bench is the library of `catena bench`: it loads one S3 endpoint, or
// two side by side, and says how many operations, how fast, how evenly, and at
// what cost.
//
// Words:
//
//   - target: an endpoint under test; pids name its processes on this machine.
//   - phase: one operation at one size. All workers of a target do the same
//     kind of thing, one operation after the other (closed loop).
//   - slice: a piece of a phase against one target. With two targets the slices
//     alternate A B B A A B B A, so that what the machine does besides (and any
//     drift) hits both alike. Ratios are taken of slices that lie side by side.
//
// What makes a figure fair:
//
//   - Every object's bytes are unique and incompressible, computed from a seed,
//     and every GET is compared byte by byte. One wrong byte is an error that
//     ends in a failed run, whatever the speed.
//   - Nothing is retried. An operation that failed is counted by its error
//     code and is in no latency and no rate.
//   - Workers never touch each other's keys, so that no operation can fail
//     because of another worker's delete.
//   - Latency runs from the call to the last byte, in HDR histograms of three
//     digits. An operation begun before the end of a slice is waited for and
//     counted, with its time.
//   - A server's CPU time is that of its processes over the whole phase, the
//     other target's slices included: work that it put off belongs to it.
//     Package and client share the machine with a local server; the client's
//     own CPU time is reported beside it.
//
// The JSON report has a version (result.go); results/ keeps those that the
// README quotes.
package bench
