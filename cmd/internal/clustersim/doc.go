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
// runs inside testing/synctest, where time costs nothing. The exception is a
// disk that fails: the rows of a failed store are never closed (see
// objectd/store), and synctest does not end while their goroutines wait.
package clustersim
