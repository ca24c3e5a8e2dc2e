// Package objectd runs the replicas of the chains that are placed on a node's
// disks. It is the driver of the pure machines in chain/index and chain/data:
// each replica has one goroutine (an actor) that takes events from its mailbox,
// steps the machine, and carries out the effects, in order.
//
// The way of a write: Node.Propose puts a command into the head's mailbox; the
// actor gathers the committed rows that the command names and steps the
// machine; the entry goes to the store's log writer (one group-committed sync
// for all chains of the store) and to the successor's mailbox; the tail
// commits, applies and acks; the ack releases the answer.
//
// The way of a read: Node.Query runs in the caller's goroutine over the tail's
// committed rows and tests the read lease after the value was read.
//
// Promises: replicas talk through mailboxes, never by nested calls; a store
// that fails, or does not answer for long, takes its replicas out of service and
// nothing else; a replica that cannot go on leaves its chain by its own report;
// whoever waits for a replica is answered, also when it ends; a replica that a
// disk should hold and does not is never made anew; the package never looks
// inside a protocol message.
package objectd
