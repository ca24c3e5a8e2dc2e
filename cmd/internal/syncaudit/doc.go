// Package syncaudit reads a system-call trace (strace -f -y) of a server under
// writers and proves, for each acknowledged object, that its bytes were written
// to a file in every directory, and that a sync of that same file, begun after
// the write had returned, itself returned before the answer was written.
//
// The order of events is the order of lines: strace prints a call where it
// enters and, if anything came between, its result where it returns.
package syncaudit
