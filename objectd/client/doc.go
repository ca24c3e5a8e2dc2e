// Package client is what a gateway and the workers need of replicas: a command
// to the head of the tablet that owns a key, a query to its tail, chunks on
// data chains. It routes by the newest map and tries again, with backoff, what
// was refused with the promise that nothing was done; what may still take
// effect is only ever sent again as a repeat of the same command.
package client
