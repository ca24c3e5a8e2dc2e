// Package clustersim runs the whole storage side of Catena in one process on
// disks in memory: masters, stores, and the objects.Backend of a gateway. It is
// for tests and for long campaigns.
//
// Words. A *Cluster* is the machine: it has disks, and at most one running
// *process* at a time, which may be stopped, killed, cut from its power, and
// started again. A *disk* may fail while the process runs, be pulled out, and
// be replaced by an empty one, each as a server's operator would do it: a
// replacement is found at the next start.
//
// A power cut is one instant for all disks: what the process does to its disks
// after it is not in the picture that the next start finds. The process learns
// of the cut first (Alive turns false), so an answer that a client took while
// Alive was true was given before the cut.
//
// Histories: a Workload runs clients against a few keys and records what they
// saw; Check decides, with porcupine, whether the registers were linearizable.
//
// Everything goes by time.Now and timers, without sockets or files, so it also
// runs inside testing/synctest, where time costs nothing; tests in which a disk
// fails use objectd/bubbletest for it. Time passes there only while everything
// waits, so a power cut is armed by the number of calls to come, not by a moment.
//
// A campaign: CLUSTERSIM_ROUNDS=1000 CLUSTERSIM_SEED=7 go test -run TestNemesis
// -timeout 0 ./cmd/internal/clustersim; CLUSTERSIM_LOG=1 shows what the parts
// say. A seed gives the same strokes, but not the same interleaving.
package clustersim
