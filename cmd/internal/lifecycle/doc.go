// Package lifecycle starts the parts of a process in order, stops them in the
// opposite order, and decides when.
//
// A Group is the parts. Run starts it and waits for the first of: a signal, a
// part that failed, the context. Then:
//
//  1. not ready (the readiness probe fails, load balancers turn away),
//  2. DrainDelay passes while requests are still accepted,
//  3. the parts are stopped in reverse order of their start, all within
//     DrainTimeout: the gateway comes last at the start, so it goes first and
//     finishes what it has begun,
//  4. a second signal at any moment ends Run at once, with ErrForced.
//
// A part that fails is not drained: its error ends Run after the others were
// stopped. The package reads no flags, installs no signal handlers and never
// exits; time comes from the standard library, so tests run in a synctest bubble.
package lifecycle
