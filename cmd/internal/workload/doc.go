// Package workload writes, overwrites, copies and deletes objects through S3
// with several concurrent writers, remembers what was acknowledged and what has
// an unknown outcome, and checks later that the store tells the same story:
// every acknowledged object is there with the right bytes and is listed,
// nothing half-written is visible. A store that does not answer at all, though it
// is able to, has not kept its promise either.
//
// Each writer owns its keys and works one operation at a time, so the state
// that a key may have is exact: the last acknowledged one, or one of the
// operations after it whose outcome is unknown.
package workload
